"""What is written: alpha in each codec, animations, numbered images, sound, parts of clips."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from mattecli.errors import UsageError
from tests.conftest import load
from tests.video_clips import (
    Identity,
    alpha_of,
    ffmpeg,
    make_clip,
    picture,
    planes,
    read,
    run_video,
)

TAGS = (
    "format=gbrp,zscale=matrixin=gbr:rangein=full:matrix=709:range=limited,format=yuv420p,"
    "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
)
LOSSLESS = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")


def soft(color: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """A soft disk: every level of alpha, and certain regions."""
    height, width = color.shape[:2]
    y, x = np.mgrid[0:height, 0:width]
    distance = np.hypot(x - width / 2, y - height / 2)
    return np.clip((height * 0.45 - distance) / 20, 0, 1).astype(np.float32)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return make_clip(path, *LOSSLESS, frames=6, filters=TAGS)


@pytest.mark.parametrize(
    ("name", "decoder", "bound"),
    [("a.mov", "", 0.05), ("a.mkv", "", 0.05), ("a.webm", "libvpx-vp9", 1.0)],
    ids=["ProRes 4444", "FFV1", "VP9"],
)
def test_alpha_comes_back_within_its_codecs_bound(
    name: str, decoder: str, bound: float, clip: Path, tmp_path: Path
) -> None:
    """Mean difference in levels of 255; in ProRes and FFV1 it is that of 10 bits alone."""
    assert run_video(clip, tmp_path / name, estimator=Identity(soft)).report.done == 1
    wanted = np.rint(soft(picture(0, 192, 108)) * 255)
    frames = read(tmp_path / name, decoder=decoder).frames
    assert len(frames) == 6
    for frame in frames:
        found = alpha_of(frame) * 255
        assert np.abs(found - wanted).mean() <= bound
        if not decoder:
            np.testing.assert_array_equal(np.rint(found), wanted)


@pytest.mark.parametrize(("name", "bound"), [("a.mkv", 0.0), ("a.mp4", 0.8), ("a.webm", 0.8)])
def test_an_alpha_matte_is_grey(name: str, bound: float, clip: Path, tmp_path: Path) -> None:
    assert run_video(clip, tmp_path / name, ("alpha",), Identity(soft)).report.done == 1
    wanted = np.rint(soft(picture(0, 192, 108)) * 255)
    for frame in read(tmp_path / name).frames:
        grey = planes(frame)[0].astype(np.float64)
        if not name.endswith(".mkv"):  # limited range
            grey = (grey - 16) / 219 * 255
        assert np.abs(grey - wanted).mean() <= bound


def test_colours_under_thin_alpha_are_kept(clip: Path, tmp_path: Path) -> None:
    """Straight colours: nothing multiplies them with alpha on the way."""
    run_video(clip, tmp_path / "a.mkv", ("foreground",), Identity(soft), foreground="none")
    run_video(clip, tmp_path / "b.mkv", ("fill",), Identity(soft), foreground="none")
    for one, other in zip(
        read(tmp_path / "a.mkv").frames, read(tmp_path / "b.mkv").frames, strict=True
    ):
        for plane, same in zip(planes(one)[:3], planes(other), strict=True):
            np.testing.assert_array_equal(plane, same)


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_numbered_images_and_back(suffix: str, clip: Path, tmp_path: Path) -> None:
    pattern = tmp_path / "frames" / f"f_%04d.{suffix}"
    assert run_video(clip, pattern, estimator=Identity(soft)).report.done == 1
    names = sorted(entry.name for entry in pattern.parent.iterdir())
    assert names == ["f-timecodes.txt", *(f"f_{n:04d}.{suffix}" for n in range(1, 7))]
    times = (pattern.parent / "f-timecodes.txt").read_text().splitlines()
    assert times == ["# timecode format v2", *(f"{40 * n:.6f}" for n in range(6))]
    first = load(pattern.parent / f"f_0001.{suffix}")
    np.testing.assert_array_equal(first[..., 3], np.rint(soft(picture(0, 192, 108)) * 255))
    inner = first[..., 3] == 255
    assert np.abs(first[..., :3][inner].astype(int) - picture(0, 192, 108)[inner]).max() <= 3

    back = tmp_path / "back.mkv"
    done = run_video(pattern, back, ("fill",), fps="24000/1001")
    assert done.report.done == 1
    found = read(back)
    assert len(found.frames) == 6
    assert abs(found.times[1] - Fraction(1001, 24000)) < Fraction(1, 1000)
    whole = run_video(pattern.parent, tmp_path / "folder.mkv", ("fill",))
    assert whole.report.done == 1


def test_openexr_holds_associated_half_floats(clip: Path, tmp_path: Path) -> None:
    pattern = tmp_path / "e" / "%03d.exr"
    done = run_video(clip, pattern, estimator=Identity(soft), foreground="none", piece_frames=4)
    assert done.report.done == 1, done.item.error
    names = sorted(entry.name for entry in pattern.parent.iterdir())
    assert names == [*(f"{n:03d}.exr" for n in range(1, 7)), "timecodes.txt"]
    with av.open(str(pattern.parent / "005.exr")) as container:
        frame = next(container.decode(video=0))
    kind = np.float16 if "f16" in frame.format.name else np.float32
    green, blue, red, alpha = (
        np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : plane.width].astype(float)
        for plane in frame.planes
    )
    wanted = soft(picture(4, 192, 108))
    assert np.abs(alpha - wanted).max() < 0.003
    for plane, colour in zip((red, green, blue), np.rollaxis(picture(4, 192, 108), 2), strict=True):
        assert np.abs(plane - wanted * colour / 255).max() < 0.015


@pytest.mark.parametrize("suffix", ["gif", "webp"])
def test_animations_with_alpha(suffix: str, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mp4", *LOSSLESS, frames=6, rate="10", filters=TAGS)
    out = tmp_path / f"a.{suffix}"
    assert run_video(clip, out, estimator=Identity(soft)).report.done == 1
    with Image.open(out) as image:
        assert image.n_frames == 6
        for number in range(6):
            image.seek(number)
            image.load()
            assert image.info["duration"] == pytest.approx(100, abs=1)
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
            assert alpha[0, 0] == 0
            assert alpha[54, 96] == 255
            if suffix == "webp":
                wanted = np.rint(soft(picture(0, 192, 108)) * 255)
                assert np.abs(alpha - wanted).max() <= 1


@pytest.mark.parametrize(
    ("kind", "name", "codec"),
    [
        ("foreground", "a.mov", "prores"),
        ("foreground", "a.webm", "vp9"),
        ("foreground", "a.mkv", "ffv1"),
        ("composite", "a.mp4", "h264"),
        ("composite", "a.mov", "prores"),
        ("composite", "a.webm", "vp9"),
    ],
)
def test_the_name_says_the_codec(
    kind: str, name: str, codec: str, clip: Path, tmp_path: Path
) -> None:
    assert run_video(clip, tmp_path / name, (kind,)).report.done == 1
    with av.open(str(tmp_path / name)) as container:
        assert container.streams.video[0].codec_context.codec.canonical_name == codec


def test_ten_bits_stay_ten_bits(tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "c.mkv", "-c:v", "ffv1", frames=3, filters="format=gbrp10le,zscale=matrixin=gbr"
        ":rangein=full:matrix=709:range=limited,format=yuv420p10le",
    )  # fmt: skip
    run_video(clip, tmp_path / "out", ("foreground", "composite"))
    assert read(tmp_path / "out" / "c-composite.mp4").pixels == "yuv420p10le"
    with av.open(str(tmp_path / "out" / "c-composite.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "hevc"


@pytest.mark.parametrize(
    ("sound", "name", "wanted"),
    [
        (("-c:a", "pcm_s16le"), "a.mov", "pcm_s16le"),
        (("-c:a", "pcm_s16le"), "a.mp4", "aac"),
        (("-c:a", "pcm_s16le"), "a.mkv", "pcm_s16le"),
        (("-c:a", "aac"), "a.webm", "libopus"),
        (("-c:a", "libopus"), "a.webm", "libopus"),
        (("-c:a", "flac"), "a.mov", "pcm_s24le"),
    ],
)
def test_sound_is_copied_where_the_container_can(
    sound: tuple[str, ...], name: str, wanted: str, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "c.mkv", *LOSSLESS, frames=10, filters=TAGS, sound=sound)
    done = run_video(clip, tmp_path / name, ("alpha",))
    source, found = read(clip), read(tmp_path / name)
    assert found.audio_codec in (wanted, wanted.removeprefix("lib"))
    converted = source.audio_codec != found.audio_codec
    assert converted == any("converted" in note for note in done.item.notes)
    if not converted:
        assert found.audio == source.audio


def test_chapters_subtitles_and_metadata(tmp_path: Path) -> None:
    plain = make_clip(tmp_path / "p.mp4", *LOSSLESS, frames=20, filters=TAGS)
    (tmp_path / "s.srt").write_text("1\n00:00:00,100 --> 00:00:00,500\nhello\n")
    (tmp_path / "m.txt").write_text(
        ";FFMETADATA1\ntitle=Our clip\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=400\ntitle=one\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=400\nEND=800\ntitle=two\n"
    )
    clip = tmp_path / "c.mkv"
    ffmpeg(
        *("-i", plain, "-i", tmp_path / "s.srt", "-i", tmp_path / "m.txt"),
        *("-map", "0", "-map", "1", "-map_metadata", "2", "-map_chapters", "2", "-c", "copy", clip),
    )
    for name in ("a.mov", "a.mkv", "a.webm"):
        assert run_video(clip, tmp_path / name, ("alpha",)).report.done == 1
        with av.open(str(tmp_path / name)) as container:
            assert container.metadata.get("title") == "Our clip", name
            titles = [chapter["metadata"]["title"] for chapter in container.chapters()]
            assert titles == ["one", "two"], name
            assert len(container.streams.subtitles) == 1, name


def frame_numbers(path: Path) -> list[int]:
    """Which pictures a lossless fill shows, by comparing them with all."""
    known = [picture(n, 192, 108)[..., 0].astype(float) for n in range(40)]
    numbers = []
    for frame in read(path).frames:
        red = frame.to_ndarray(format="rgb24")[..., 0].astype(float)
        numbers.append(int(np.argmin([np.abs(red - one).mean() for one in known])))
    return numbers


@pytest.mark.parametrize(
    ("start", "end", "first", "after"),
    [
        ("10f", "15f", 10, 15),
        ("0.4", "0.6", 10, 15),
        ("00:00:00.4", None, 10, 30),
        (None, "0:01", 0, 25),
        ("12f", "0.56", 12, 14),
    ],
)
def test_a_part_of_a_clip(
    start: str | None, end: str | None, first: int, after: int, tmp_path: Path
) -> None:
    clip = make_clip(
        tmp_path / "c.mp4", "-c:v", "libx264", "-qp", "0", "-bf", "2", "-g", "7",
        frames=30, filters=TAGS, sound=("-c:a", "aac"),
    )  # fmt: skip
    out = tmp_path / "part.mkv"
    assert run_video(clip, out, ("fill",), start=start, end=end).report.done == 1
    assert frame_numbers(out) == list(range(first, after))
    found = read(out)
    assert float(found.times[0]) == 0
    seconds = len(found.audio) * 1024 / 48000
    assert seconds == pytest.approx((after - first) / 25, abs=0.07)


@pytest.mark.parametrize(
    ("name", "write", "options", "reason"),
    [
        ("a.mp4", ("foreground",), {}, ".mp4 cannot hold alpha"),
        ("a.mov", ("foreground",), {"codec": "h264"}, "cannot be used for alpha in .mov"),
        ("a.webm", ("composite",), {"codec": "h264"}, "cannot be used for .webm"),
        ("a.mov", ("foreground",), {"crf": 20}, "--crf is not for prores"),
        ("a.mov", ("foreground",), {"start": "later"}, "is no time"),
        ("a.mov", ("foreground",), {"start": "2", "end": "1"}, "--end lies before --start"),
        ("a.mov", ("foreground",), {"start": "9f", "end": "9f"}, "--end lies before --start"),
        ("%d.jpg", ("foreground",), {}, "frames are not written as jpeg"),
    ],
)
def test_what_cannot_be_is_refused_with_a_remedy(
    name: str,
    write: tuple[str, ...],
    options: dict[str, object],
    reason: str,
    clip: Path,
    tmp_path: Path,
) -> None:
    with pytest.raises(UsageError) as raised:  # before anything is opened
        run_video(clip, tmp_path / name, write, **options)
    assert reason in str(raised.value)
    assert "; " in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_premultiplied_foreground(clip: Path, tmp_path: Path) -> None:
    pattern = tmp_path / "p_%d.png"
    run_video(clip, pattern, estimator=Identity(soft), premultiply=True, foreground="none")
    rgba = load(tmp_path / "p_1.png").astype(float)
    inside = rgba[..., 3] > 0
    assert (rgba[..., :3][rgba[..., 3] == 0] == 0).all()
    straight = cv2.divide(rgba[..., 0], rgba[..., 3] / 255)
    assert np.abs(straight - picture(0, 192, 108)[..., 0])[inside & (rgba[..., 3] > 60)].max() <= 6
