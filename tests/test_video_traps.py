"""Depths, odd sizes, slow clips, animations, folders, sound: traps of formats and ffmpeg."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from mattecli.media.video.clip import Clip
from mattecli.media.video.decode import ClipReader
from mattecli.media.video.records import Span
from tests.conftest import Cli, save
from tests.video_clips import FFMPEG, Identity, ffmpeg, make_clip, picture, run_video, take_all

STEPS = np.repeat(np.array([0, 64, 128, 255], np.uint8), 24)[None].repeat(64, axis=0)


def grey_frames(path: Path) -> npt.NDArray[np.float64]:
    """All frames as full-range grey 0..255, by 16 bits; frames,H,W."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        width, height = stream.width, stream.height
        full = stream.codec_context.color_range == 2 or "gray" in stream.pix_fmt
    span = "full" if full else "limited"
    # By way of yuv444p16le: of grey with 12 or 16 bits zscale takes no range away.
    same = f"zscale=matrixin=bt709:matrix=bt709:rangein={span}:range=full"
    plane = "" if full else ",format=yuv444p16le,extractplanes=y"
    convert = f"{same}{plane},format=gray16le"
    done = subprocess.run(
        [FFMPEG, "-v", "error", "-i", path, "-vf", convert, "-f", "rawvideo", "-"],
        capture_output=True,
        check=True,
    )
    return np.frombuffer(done.stdout, "<u2").reshape(-1, height, width) / 257


@pytest.mark.parametrize("suffix", ["mov", "mp4", "webm", "mkv"])
@pytest.mark.parametrize(
    "pixels", ["yuv420p10le", "yuv422p12le", "gbrp10le", "gray10le", "gray16le", "ya8"]
)
def test_mattes_of_deep_and_grey_sources(pixels: str, suffix: str, tmp_path: Path) -> None:
    clip = make_clip(
        tmp_path / "c.mkv", "-c:v", "ffv1", frames=2, size=(96, 64), filters=f"format={pixels}"
    )
    out = tmp_path / f"a.{suffix}"
    steps = STEPS.astype(np.float32) / 255
    assert run_video(clip, out, ("alpha",), Identity(lambda _: steps)).report.done == 1
    for frame in grey_frames(out):
        inner = np.abs(frame - STEPS)[:, 4:-4].reshape(64, -1)
        assert inner.mean() < 1.5  # VP9 and H.264 have losses at the steps


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("t.mov", ("prores_ks", "-profile:v", "4444"), "yuv444p10le"),
        ("t.mkv", ("ffv1",), "gray16le"),
        ("u.mkv", ("ffv1",), "yuv422p12le"),
    ],
)
def test_a_deep_video_is_a_trimap(
    name: str, codec: tuple[str, ...], pixels: str, cli: Cli, tmp_path: Path
) -> None:
    trimap = np.where(STEPS == 64, 0, STEPS).astype(np.uint8)
    save(tmp_path / "t.png", trimap)
    clip = make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", frames=3, size=(96, 64))
    same = "zscale=matrixin=bt709:matrix=bt709:rangein=full:range=limited,"
    convert = ("format=gray16le," if pixels.startswith("gray") else f"format=gray,{same}") + (
        f"format={pixels}"
    )
    ffmpeg("-loop", "1", "-i", tmp_path / "t.png", "-frames:v", "3", "-vf", convert,
           "-c:v", *codec, tmp_path / name)  # fmt: skip
    told = ("--model", "closed-form", "-w", "alpha", "-o", "a.mkv", "--trimap", name)
    done = cli("video", clip, *told)
    assert done.code == 0, done.err
    for frame in grey_frames(tmp_path / "a.mkv"):
        known = trimap != 128
        np.testing.assert_array_equal(frame[known], trimap[known])


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p10le", "yuv444p12le", "yuv444p16le"])
def test_levels_of_deep_masks_come_back(pixels: str, tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint8)[None].repeat(4, axis=0)
    save(tmp_path / "l.png", levels)
    convert = (
        "zscale=matrixin=bt709:matrix=bt709:rangein=full:range=limited,"
        f"format={pixels},setparams=range=tv"
    )
    ffmpeg("-i", tmp_path / "l.png", "-vf", f"format=gray,{convert}", "-c:v", "ffv1",
           tmp_path / "l.mkv")  # fmt: skip
    reader = ClipReader(Clip(tmp_path / "l.mkv", max_pixels=10_000), Span(), form="grey")
    (frame,) = list(reader)
    error = np.abs(frame.color.astype(int) - levels)
    assert error.max() <= 1  # rounded twice, here and there
    assert error.mean() < 0.2


@pytest.mark.parametrize("size", [(97, 63), (95, 64), (96, 63)])
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv411p", "yuv440p"])
def test_odd_sides_are_read_and_written(pixels: str, size: tuple[int, int], tmp_path: Path) -> None:
    even = (size[0] + 3, size[1] + 1)
    crop = f"format=yuv444p,crop={size[0]}:{size[1]}:0:0:exact=1,format={pixels}"
    clip = make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", frames=2, size=even, filters=crop)
    assert run_video(clip, tmp_path / "a.mov", ("alpha",)).report.done == 1
    with av.open(str(tmp_path / "a.mov")) as container:
        frame = next(container.decode(video=0)).reformat(format="yuv444p10le")
        assert (frame.width, frame.height) == size
        for plane, neutral in zip(frame.planes, (940, 512, 512), strict=True):
            shown = np.frombuffer(plane, "<u2").reshape(size[1], -1)[:, : size[0]]
            assert np.abs(shown.astype(int) - neutral).max() <= 1


@pytest.mark.parametrize("rate", ["1/3", "0.5", "24000/1001"])
@pytest.mark.parametrize("suffix", ["mov", "mp4", "webm", "mkv", "gif"])
def test_slow_clips_lose_neither_frames_nor_time(
    suffix: str, rate: str, cli: Cli, tmp_path: Path
) -> None:
    for number in range(5):
        save(tmp_path / "seq" / f"f_{number}.png", picture(number * 9, 96, 64))
    whole = take_all(tmp_path, (96, 64))
    done = cli("video", "seq", "-o", f"o.{suffix}", "-w", "composite", "--fps", rate, *whole,
               "--background-fill", "red")  # fmt: skip
    assert done.code == 0, done.err
    with av.open(str(tmp_path / f"o.{suffix}")) as container:
        assert container.duration is not None
        assert container.duration / 1e6 == pytest.approx(5 / float(Fraction(rate)), abs=0.05)
        assert sum(1 for _ in container.decode(video=0)) == 5


@pytest.mark.parametrize(("rate", "header"), [("10", b"F10:1"), ("30000/1001", b"F30000:1001")])
@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_y4m_says_the_frame_rate(
    suffix: str, rate: str, header: bytes, shell: Cli, tmp_path: Path
) -> None:
    clip = make_clip(
        tmp_path / f"c.{suffix}", "-c:v", "libx264", "-pix_fmt", "yuv420p",
        frames=7, size=(96, 64), rate=rate,
    )  # fmt: skip
    whole = take_all(tmp_path, (96, 64))
    done = shell("video", clip, "-o", "-", "--format", "y4m", "-w", "alpha", *whole)
    assert done.code == 0, done.err
    first, _, frames = done.out.partition(b"\n")
    assert header in first.split()
    assert frames.count(b"FRAME\n") == 7


def test_a_gif_forgets_a_frame_that_was_opaque_all_over(tmp_path: Path) -> None:
    def alpha(color: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        return masks[next(turn)]

    masks = [np.zeros((64, 96), np.float32) for _ in range(6)]
    for number, mask in enumerate(masks):
        mask[10:50, 6 + 9 * number : 30 + 9 * number] = 1
    masks[0][:] = masks[3][:] = 1
    turn = iter(range(6))
    clip = make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", frames=6, size=(96, 64), rate="10")
    assert run_video(clip, tmp_path / "a.gif", estimator=Identity(alpha)).report.done == 1
    with Image.open(tmp_path / "a.gif") as image:
        for number, mask in enumerate(masks):
            image.seek(number)
            shown = np.asarray(image.convert("RGBA"))[..., 3]
            np.testing.assert_array_equal(shown, mask * 255)
    with av.open(str(tmp_path / "a.gif")) as container:
        for frame, mask in zip(container.decode(video=0), masks, strict=True):
            np.testing.assert_array_equal(frame.to_ndarray(format="rgba")[..., 3], mask * 255)


def test_a_gif_behind_a_video_moves(cli: Cli, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", frames=4, size=(96, 64), rate="10")
    make_clip(tmp_path / "b.gif", frames=4, size=(96, 64), rate="10")
    trimap = np.zeros((64, 96), np.uint8)
    trimap[:8] = 255
    save(tmp_path / "t.png", trimap)
    told = ("--model", "closed-form", "--trimap", "t.png", "-w", "composite", "-o", "o.mkv")
    done = cli("video", clip, *told, "--foreground", "none", "--background-fill", "b.gif")
    assert done.code == 0, done.err
    with av.open(str(tmp_path / "o.mkv")) as container:
        shown = [f.to_ndarray(format="rgb24")[8:].astype(int) for f in container.decode(video=0)]
    assert all(np.abs(frame - shown[0]).mean() > 1 for frame in shown[1:])


class TestFramesInFolders:
    @pytest.fixture
    def seq(self, tmp_path: Path) -> tuple[str, ...]:
        for number in range(1, 6):
            save(tmp_path / "seq" / f"f_{number:04}.png", picture(number * 9, 96, 64))
        return ("-w", "alpha", *take_all(tmp_path, (96, 64)))

    def test_gaps_are_said(self, cli: Cli, tmp_path: Path, seq: tuple[str, ...]) -> None:
        assert "missing" not in cli("video", "seq", "-o", "a.mkv", *seq).err
        (tmp_path / "seq" / "f_0003.png").unlink()
        done = cli("video", "seq", "-o", "a.mkv", *seq)
        assert done.code == 0
        assert "1 of its images are missing, the first number 3" in done.err

    def test_trimaps_go_by_number(self, cli: Cli, tmp_path: Path, seq: tuple[str, ...]) -> None:
        for number in range(1, 6):
            trimap = np.zeros((64, 96), np.uint8)
            trimap[:, : 10 * number] = 255
            save(tmp_path / "tri" / f"t_{number}.png", trimap)
        (tmp_path / "seq" / "f_0003.png").unlink()
        told = ("-w", "alpha", "--model", "closed-form", "--trimap", "tri", "-o", "a.mkv")
        for start, widths in ((), (10, 20, 40, 50)), (("--start", "2"), (40, 50)):
            frames = ("--fps", "1", *start)
            done = cli("video", "seq", *told, *frames)
            assert done.code == 0, done.err
            shown = grey_frames(tmp_path / "a.mkv")
            assert [int((frame[0] == 255).sum()) for frame in shown] == list(widths)

    def test_their_own_mattes_are_no_frames(
        self, cli: Cli, tmp_path: Path, seq: tuple[str, ...]
    ) -> None:
        for frame in sorted((tmp_path / "seq").iterdir()):
            frame.with_name(f"{frame.stem}-alpha.png").write_bytes(frame.read_bytes())
        assert cli("video", "seq", "-o", "a.mkv", *seq).code == 0
        assert len(grey_frames(tmp_path / "a.mkv")) == 5

    def test_lists_and_folders_of_them(
        self, cli: Cli, tmp_path: Path, seq: tuple[str, ...]
    ) -> None:
        (tmp_path / "list.txt").write_text("seq\n")
        done = cli("video", "--files-from", "list.txt", "-o", "l/", *seq)
        assert done.code == 0, done.err
        assert (tmp_path / "l" / "seq-alpha.mov").exists()
        for name in ("a", "b"):
            save(tmp_path / "top" / name / "1.png", picture(1, 96, 64))
        done = cli("video", "top", "-r", "-o", "t/", *seq)
        assert done.code == 0, done.err
        made = {path.name for path in (tmp_path / "t").rglob("*.mov")}
        assert made == {"a-alpha.mov", "b-alpha.mov"}

    def test_steps_and_times_are_no_gaps(
        self, cli: Cli, tmp_path: Path, seq: tuple[str, ...]
    ) -> None:
        for name, numbers in (("steps", (10, 20, 30)), ("times", (1005, 1093, 1420))):
            for number in numbers:
                save(tmp_path / name / f"f_{number}.png", picture(number, 96, 64))
            assert "missing" not in cli("video", name, "-o", f"{name}.mkv", *seq).err
        save(tmp_path / "steps" / "f_60.png", picture(60, 96, 64))
        assert "2 of its images" in cli("video", "steps", "-o", "s.mkv", *seq).err

    def test_a_run_again_takes_neither_its_outputs_nor_companions(
        self, cli: Cli, tmp_path: Path, seq: tuple[str, ...]
    ) -> None:
        (tmp_path / "in").mkdir()
        (tmp_path / "seq").rename(tmp_path / "in" / "seq")
        for number in range(1, 6):
            save(tmp_path / "in" / "tri" / f"{number}.png", np.full((64, 96), 255, np.uint8))
        told = ("-w", "alpha", "--format", "png", "-o", "in", "--trimap", "in/tri")
        again = ("video", "in", "-r", *told, "--model", "closed-form", "--existing", "skip")
        for status in (b"done", b"skipped"):
            done = cli(*again, "--json")
            assert done.code == 0, done.err
            assert done.out.count(b'"status": "' + status) == 1

    def test_a_list_with_repeats_or_nul(
        self, cli: Cli, tmp_path: Path, seq: tuple[str, ...]
    ) -> None:
        (tmp_path / "list.txt").write_text("seq\nseq\n")
        assert cli("video", "--files-from", "list.txt", "-o", "l/", *seq).code == 0
        (tmp_path / "nul.txt").write_bytes(b"a\0b.mp4\n")
        done = cli("video", "--files-from", "nul.txt", "-o", "l/", *seq)
        assert done.code == 2
        assert "NUL byte" in done.err

    def test_any_of_numbered_images_exists_already(
        self, cli: Cli, tmp_path: Path, seq: tuple[str, ...]
    ) -> None:
        assert cli("video", "seq", "-o", "out/%d.png", *seq).code == 0
        (tmp_path / "out" / "1.png").unlink()
        done = cli("video", "seq", "-o", "out/%d.png", *seq, "--existing", "error")
        assert done.code == 1
        assert "2.png: exists already" in done.err


@pytest.mark.parametrize(
    ("command", "source", "out"),
    [
        ("video", "c.mkv", "new/../c.mkv"),
        ("video", "seq/f_%02d.png", "new/../seq/f_%02d.png"),
        ("trimap", "m.png", "new/../m.png"),
    ],
)
def test_no_input_is_overwritten_through_a_folder_to_be_made(
    command: str, source: str, out: str, cli: Cli, tmp_path: Path
) -> None:
    make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", frames=2, size=(96, 64))
    save(tmp_path / "seq" / "f_01.png", picture(1, 96, 64))
    save(tmp_path / "m.png", STEPS)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.*") if path.is_file()}
    told = ("-w", "alpha", *take_all(tmp_path, (96, 64))) if command == "video" else ()
    done = cli(command, source, "-o", out, *told)
    assert done.code == 2
    assert "would overwrite" in done.err
    assert all(path.read_bytes() == data for path, data in before.items())


@pytest.mark.parametrize(
    "told",
    [
        ("--trimap", "nothere.png"),
        ("--background", "nothere.png"),
        ("-w", "composite", "--background-fill", "nothere.mp4"),
    ],
)
def test_what_is_not_there_is_wrong_usage(told: tuple[str, ...], cli: Cli, tmp_path: Path) -> None:
    make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", frames=2, size=(96, 64))
    for more in ((), ("--dry-run",)):
        done = cli("video", "c.mkv", "-o", "o.mkv", *told, *more)
        assert done.code == 2
        assert "nothere" in done.err


def test_sound_is_there_from_the_start_of_a_part(cli: Cli, tmp_path: Path) -> None:
    """Also where the source tells decoders to leave out much, as after a cut without encoding."""
    whole = make_clip(
        tmp_path / "whole.mp4", "-c:v", "libx264", "-g", "20", "-pix_fmt", "yuv420p",
        frames=40, size=(96, 64), rate="10", sound=("-c:a", "aac"),
    )  # fmt: skip
    ffmpeg("-ss", "0.45", "-i", whole, "-c", "copy", tmp_path / "cut.mp4")
    told = take_all(tmp_path, (96, 64))
    for source in ("whole.mp4", "cut.mp4"):
        for target in ("o.mkv", "o.mov"):
            done = cli("video", source, "-o", target, "-w", "alpha", "--start", "1", *told)
            assert done.code == 0, done.err
            with av.open(str(tmp_path / target)) as container:
                first = next(container.decode(audio=0))
                assert first.pts is not None
                assert float(first.pts * first.time_base) < 0.03
                samples = sum(f.samples for f in container.decode(audio=0)) + first.samples
                wanted = (4 if source == "whole.mp4" else 3.55) - 1
                assert samples / first.sample_rate > wanted - 0.05
