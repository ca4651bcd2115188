"""Parts of clips, and clips resumed in the middle, through the command line."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mattecli.media.video.timecode import advanced
from tests.conftest import Cli
from tests.video_clips import ffmpeg, make_clip, planes, read, take_all
from tests.video_runs import has_piece, started, wait_for

TAGS = (
    "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setparams=colorspace=bt709:range=tv"
)
SIZE = (160, 120)


@pytest.fixture
def whole(tmp_path: Path) -> tuple[str, ...]:
    """Arguments that take all of each frame: no model is at work."""
    return take_all(tmp_path, SIZE)


def long_groups(path: Path) -> Path:
    """Six seconds; key frames lie four seconds apart."""
    own: tuple[str, ...]
    own = ("-c:v", "libx264", "-preset", "ultrafast", "-x264-params", "scenecut=0")
    sound = ("-c:a", "aac")
    if path.suffix == ".mpg":
        own, sound = (
            ("-c:v", "mpeg2video", "-q:v", "2", "-sc_threshold", "1000000"),
            ("-c:a", "mp2"),
        )
    groups = ("-bf", "2", "-g", "100", "-keyint_min", "100")
    return make_clip(path, *own, *groups, frames=150, size=SIZE, filters=TAGS, sound=sound)


@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".mkv"])
def test_a_part_from_the_middle_of_frames_that_lean_on_each_other(
    suffix: str, cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    clip = long_groups(tmp_path / f"c{suffix}")
    assert cli("video", clip, "-o", "all.mkv", "-w", "fill", *whole).code == 0
    part = ("--start", "2.52", "--end", "5.2", "-v")
    result = cli("video", clip, "-o", "part.mkv", "-w", "fill", *part, *whole)
    assert result.code == 0, result.err
    assert "decoded" not in result.err
    assert "damaged" not in result.err
    every, found = read(tmp_path / "all.mkv"), read(tmp_path / "part.mkv")
    assert len(every.frames) == 150
    first = next(n for n, time in enumerate(every.times) if time >= Fraction(252, 100))
    assert len(found.frames) == 67
    for number, frame in enumerate(found.frames):
        for one, other in zip(planes(frame), planes(every.frames[first + number]), strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_killed_run_over_a_transport_stream_is_resumed_to_the_same_bytes(tmp_path: Path) -> None:
    clip = long_groups(tmp_path / "c.ts")
    undisturbed, killed = tmp_path / "a", tmp_path / "b"
    undisturbed.mkdir()
    killed.mkdir()
    command = (clip, "-o", "o/", "-w", "alpha,fill", "--format", "mov")
    with started(undisturbed, *command) as process:
        assert process.wait(timeout=240) == 0
    with started(killed, *command) as process:
        wait_for(lambda: has_piece(killed / "o"))
        process.kill()
        process.wait(timeout=60)
    assert not list((killed / "o").glob("*.mov"))
    with started(killed, *command, "--resume") as process:
        words = process.communicate(timeout=240)[1]
        assert process.returncode == 0, words
    assert "decoded" not in words
    for kind in ("alpha", "fill"):
        name = f"o/c-{kind}.mov"
        assert (killed / name).read_bytes() == (undisturbed / name).read_bytes()


def packet_times(path: Path, kind: str) -> list[tuple[float, float]]:
    """Beginning and end of each packet of the first stream of a kind, in seconds."""
    with av.open(str(path)) as container:
        stream = getattr(container.streams, kind)[0]
        return [
            (float(p.pts * p.time_base), float((p.pts + (p.duration or 0)) * p.time_base))
            for p in container.demux(stream)
            if p.size
        ]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        *(("c.mkv", name) for name in ("p.mkv", "p.mov", "p.mp4", "p.webm")),
        *(("c.ts", name) for name in ("p.mkv", "p.mov")),
        ("c.mov", "p.mkv"),
    ],
)
def test_the_sound_of_a_part_is_that_of_the_part(
    source: str, name: str, cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    clip = long_groups(tmp_path / source)
    part = ("-w", "alpha", "--start", "2.5", "--end", "5")
    result = cli("video", clip, "-o", name, *part, *whole)
    assert result.code == 0, result.err
    times = packet_times(tmp_path / name, "audio")
    assert -0.03 <= times[0][0] <= 0.03
    assert 2.44 <= times[-1][0] < 2.51
    if not name.endswith("webm"):
        before, after = read(clip), read(tmp_path / name)
        at = next(n for n, p in enumerate(before.audio) if p.endswith(after.audio[0]))
        for one, other in zip(before.audio[at:], after.audio, strict=False):
            assert one.endswith(other)  # .ts has a header before each
        source_times = packet_times(clip, "audio")
        with av.open(str(clip)) as container:
            zero = (container.start_time or 0) / 1e6 if source.endswith("ts") else 0.0
        assert source_times[at][0] - zero - 2.5 == pytest.approx(times[0][0], abs=0.0025)


@pytest.mark.parametrize("name", ["p.mkv", "p.mov", "p.webm"])
def test_sound_far_from_the_beginning(
    name: str, cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    """A chirp: where sound comes from can be heard."""
    clip = tmp_path / "long.mkv"
    ffmpeg(
        *("-f", "lavfi", "-i", "testsrc=s=160x120:r=5:d=20", "-f", "lavfi"),
        *("-i", "aevalsrc=0.5*sin(2*PI*(200*t+25*t*t)):s=48000:d=20"),
        *("-c:v", "libx264", "-g", "20", "-c:a", "aac", clip),
    )
    result = cli("video", clip, "-o", name, "-w", "alpha", "--start", "14", "--end", "16", *whole)
    assert result.code == 0, result.err
    found = tmp_path / name
    with av.open(str(found)) as container:
        frames = list(container.decode(audio=0))
        sound = np.concatenate([frame.to_ndarray()[0] for frame in frames])
        begin = float(frames[0].pts * frames[0].time_base)
    assert len(sound) / 48000 == pytest.approx(2, abs=0.06)
    piece = sound[24_000:28_800]  # a tenth of a second, whose middle is 14.55 s of the source
    spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 1 << 18))
    hertz = float(np.argmax(spectrum)) * 48000 / (1 << 18)
    assert hertz == pytest.approx(200 + 50 * (14.55 + begin), abs=2)  # 2 Hz are 40 ms


@pytest.fixture
def rich(tmp_path: Path) -> Path:
    """Two languages, subtitles, chapters, timecode, an attachment."""
    plain = long_groups(tmp_path / "plain.mp4")
    (tmp_path / "s.srt").write_text(
        "1\n00:00:00,500 --> 00:00:01,000\nearly\n\n2\n00:00:02,000 --> 00:00:03,000\nacross\n\n"
        "3\n00:00:03,200 --> 00:00:03,600\nwithin\n\n4\n00:00:04,500 --> 00:00:05,900\nlast\n\n"
        "5\n00:00:05,950 --> 00:00:05,990\nlate\n"
    )
    (tmp_path / "m.txt").write_text(
        ";FFMETADATA1\ntitle=Our clip\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2000\ntitle=one\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=2000\nEND=4000\ntitle=two; or \\=2\n"
        "[CHAPTER]\nTIMEBASE=1/1000\nSTART=4000\nEND=6000\ntitle=three\n"
    )
    (tmp_path / "note.txt").write_text("a note\n")
    clip = tmp_path / "rich.mkv"
    ffmpeg(
        *("-i", plain, "-i", tmp_path / "s.srt", "-i", tmp_path / "m.txt"),
        *("-map", "0:v", "-map", "0:a", "-map", "0:a", "-map", "1", "-c", "copy"),
        *("-map_metadata", "2", "-map_chapters", "2", "-attach", tmp_path / "note.txt"),
        *("-metadata:s:t:0", "mimetype=text/plain", "-timecode", "10:00:00:00"),
        *("-metadata:s:v:0", "language=fra", "-metadata:s:a:0", "language=deu"),
        *("-metadata:s:a:1", "language=jpn", "-metadata:s:a:1", "title=Second"),
        *("-metadata:s:v:0", "timecode=10:00:00:00", "-metadata:s:s:0", "language=spa"),
        *("-disposition:a:0", "0", "-disposition:a:1", "default", "-disposition:s:0", "forced"),
        clip,
    )
    return clip


@pytest.mark.parametrize("name", ["o.mkv", "o.mov", "o.mp4"])
def test_streams_keep_their_names(
    name: str, cli: Cli, whole: tuple[str, ...], rich: Path, tmp_path: Path
) -> None:
    result = cli("video", rich, "-o", name, "-w", "alpha", *whole)
    assert result.code == 0, result.err
    with av.open(str(tmp_path / name)) as container:
        video, (one, two) = container.streams.video[0], container.streams.audio
        words = container.streams.subtitles[0]
        german = "ger" if name.endswith("mov") else "deu"
        assert video.metadata["language"] == "fra"
        assert [s.metadata["language"] for s in (one, two, words)] == [german, "jpn", "spa"]
        assert "Second" in (two.metadata.get("title"), two.metadata.get("name"))
        default = av.stream.Disposition.default
        assert [bool(s.disposition & default) for s in (one, two)] == [False, True]
        attached = [s.metadata.get("filename") for s in container.streams if s.type == "attachment"]
        assert attached == (["note.txt"] if name.endswith("mkv") else [])
    assert ("an attachment is left out" in result.err) != name.endswith("mkv")


@pytest.mark.parametrize("name", ["o.mkv", "o.mov"])
def test_chapters_subtitles_and_timecode_of_a_part(
    name: str, cli: Cli, whole: tuple[str, ...], rich: Path, tmp_path: Path
) -> None:
    part = ("-w", "alpha", "--start", "2.52", "--end", "5")
    result = cli("video", rich, "-o", name, *part, *whole)
    assert result.code == 0, result.err
    with av.open(str(tmp_path / name)) as container:
        told = [
            (
                chapter["metadata"]["title"],
                float(chapter["start"] * chapter["time_base"]),
                float(chapter["end"] * chapter["time_base"]),
            )
            for chapter in container.chapters()
        ]
        assert [title for title, *_ in told] == ["two; or =2", "three"]
        np.testing.assert_allclose([times for _, *times in told], [[0, 1.48], [1.48, 2.48]], 0.002)
        labels = {**container.metadata, **container.streams.video[0].metadata}
        assert labels.get("timecode", labels.get("TIMECODE")) == "10:00:02:13"
        assert float(container.duration / 1e6) == pytest.approx(2.48, abs=0.05)
        words = [
            (bytes(p).strip(b"\0"), float(p.pts * p.time_base), float(p.duration * p.time_base))
            for p in container.demux(subtitles=0)
            if p.size > 2
        ]
    between = (*part[:2], "--start", "2.49")  # the first frame is that of 2.52 s all the same
    assert cli("video", rich, "-o", name, *between, *whole).code == 0
    with av.open(str(tmp_path / name)) as container:
        labels = {**container.metadata, **container.streams.video[0].metadata}
        assert labels.get("timecode", labels.get("TIMECODE")) == "10:00:02:13"
    assert [text[-4:] for text, *_ in words] == [b"ross", b"thin", b"last"]
    times = [times for _, *times in words]
    np.testing.assert_allclose(times, [[0, 0.48], [0.68, 0.4], [1.98, 0.5]], atol=0.002)


@pytest.mark.parametrize(
    ("timecode", "frames", "rate", "wanted"),
    [
        ("10:00:00:00", 26, Fraction(25), "10:00:01:01"),
        ("23:59:59:24", 1, Fraction(25), "00:00:00:00"),
        ("00:00:59;29", 1, Fraction(30000, 1001), "00:01:00;02"),
        ("00:09:59;29", 1, Fraction(30000, 1001), "00:10:00;00"),
        ("01:00:00;00", 107_892, Fraction(30000, 1001), "02:00:00;00"),
        ("00:00:59;59", 1, Fraction(60000, 1001), "00:01:00;04"),
        ("no timecode", 3, Fraction(25), ""),
    ],
)
def test_timecode_goes_on(timecode: str, frames: int, rate: Fraction, wanted: str) -> None:
    assert advanced(timecode, frames, rate) == wanted
