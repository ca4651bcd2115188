"""What a run says of what it cannot keep, and what stays when it is stopped or fails."""

from __future__ import annotations

import subprocess
from pathlib import Path

import av
import pytest
from PIL import Image

from mattecli.media.journal import FILE_NAME
from mattecli.media.video import file_output
from tests.conftest import Cli
from tests.video_clips import ffmpeg, make_clip, read, take_all

SIZE = (160, 120)
FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0")
TAGS = (
    "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setparams=colorspace=bt709:range=tv"
)


@pytest.fixture
def whole(tmp_path: Path) -> tuple[str, ...]:
    return take_all(tmp_path, SIZE)


def clip_of(path: Path, frames: int = 6, rate: str = "25", filters: str = TAGS) -> Path:
    return make_clip(path, *FAST, frames=frames, size=SIZE, rate=rate, filters=filters)


def test_an_empty_chunk_is_no_end(cli: Cli, whole: tuple[str, ...], tmp_path: Path) -> None:
    """AVI says with empty chunks that a picture stays."""
    clip = tmp_path / "gap.avi"
    gap = f"select='not(between(n,5,7))',{TAGS}"
    make_clip(clip, "-c:v", "mjpeg", frames=20, size=SIZE, filters=gap)
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        assert stream.frames > sum(packet.size > 0 for packet in container.demux(stream))
    result = cli("video", clip, "-o", "o.mkv", "-w", "fill", *whole)
    assert result.code == 0, result.err
    times = [float(time) for time in read(tmp_path / "o.mkv").times]
    assert times == [0.04 * n for n in range(20) if not 5 <= n <= 7]
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    result = cli("video", clip, "-o", "o.mkv", "-w", "fill", *whole)
    assert result.code == 1
    assert "it ends early" in result.err


def test_a_stop_while_the_second_result_is_joined(
    cli: Cli, whole: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = clip_of(tmp_path / "c.mp4", 12)
    command = ("video", clip, "-w", "alpha,fill", "--format", "mkv", "--piece-frames", "5", *whole)
    assert cli(*command, "-o", "a").code == 0
    real, count = file_output.join, 0

    def stopped(*arguments: object) -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise KeyboardInterrupt
        real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(file_output, "join", stopped)
    result = cli(*command, "-o", "b")
    assert result.code == 130, result.err
    assert len(read(tmp_path / "b/c-alpha.mkv").frames) == 12
    assert len(read(tmp_path / "b/c-fill.partial.mkv").frames) == 12
    assert not (tmp_path / "b/c-fill.mkv").exists()
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    again = cli(*command, "-o", "b", "--resume", "-v")
    assert again.code == 0, again.err
    names = sorted(entry.name for entry in (tmp_path / "b").iterdir() if entry.name != FILE_NAME)
    assert names == ["c-alpha.mkv", "c-fill.mkv"]
    for name in names:
        assert (tmp_path / "b" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


def test_skip_keeps_no_other_clips_result(cli: Cli, whole: tuple[str, ...], tmp_path: Path) -> None:
    for day, frames in (("mon", 3), ("tue", 4)):
        (tmp_path / day).mkdir()
        clip_of(tmp_path / day / "c.mp4", frames)
    made = ("-o", "out", "-w", "alpha", "--format", "mkv", *whole)
    skip = ("--existing", "skip")
    assert cli("video", "mon", *made).code == 0
    assert cli("video", "tue", *made, *skip).code == 0
    assert len(read(tmp_path / "out" / "c-alpha.mkv").frames) == 4
    assert "1 skipped" in cli("video", "tue", *made, *skip).err
    assert cli("video", "mon", *made, *skip).code == 0
    assert len(read(tmp_path / "out" / "c-alpha.mkv").frames) == 3


def test_what_a_run_wrote_below_its_clips_is_no_clip(
    cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    clip_of(tmp_path / "in" / "c.mp4", 2)
    made = ("video", "in", "-r", "-w", "alpha,fill", "--format", "mkv", "-o")
    named = ("--name", "{stem}_{kind}{ext}")
    assert cli(*made, "in/cut", *named, *whole).code == 0
    (tmp_path / "in" / "cut" / "own_alpha.mkv").write_bytes(b"")
    done = cli(*made, "in/other", "--dry-run")
    assert "2 files taken for earlier outputs (c_alpha.mkv, c_fill.mkv)" in done.err
    assert "in/c.mp4 -> in/other/c-alpha.mkv" in done.err
    assert "own_alpha.mkv -> " in done.err
    assert done.err.count(" -> ") == 4


def test_a_gif_is_no_slower_than_its_source(
    cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    clip = clip_of(tmp_path / "c.mp4", 120, rate="120")
    result = cli("video", clip, "-o", "o.gif", *whole)
    assert result.code == 0, result.err
    assert ".gif shows 50 frames a second at most" in result.err
    with Image.open(tmp_path / "o.gif") as image:
        total = 0
        for number in range(image.n_frames):
            image.seek(number)
            total += image.info["duration"]
            assert image.info["duration"] >= 20
    assert total == pytest.approx(1000, abs=40)


def test_equal_frames_in_a_webp_are_said(cli: Cli, whole: tuple[str, ...], tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "c.mp4", 3)
    result = cli("video", clip, "-o", "o.webp", *whole)
    assert ".webp keeps frames in a row that are equal as one" in result.err


def test_a_further_picture_stream_is_said(cli: Cli, whole: tuple[str, ...], tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "c.mkv")
    ffmpeg("-i", clip, "-map", "0:v", "-map", "0:v", "-c", "copy", tmp_path / "two.mkv")
    result = cli("video", "two.mkv", "-o", "o.mkv", "-w", "alpha", *whole)
    assert result.code == 0
    assert "a further picture stream (h264) is left out" in result.err


def test_brands_are_the_containers_own(cli: Cli, whole: tuple[str, ...], tmp_path: Path) -> None:
    clip = clip_of(tmp_path / "c.mp4")
    for name in ("o.mov", "o.mkv"):
        assert cli("video", clip, "-o", name, "-w", "alpha", *whole).code == 0
        data = (tmp_path / name).read_bytes()
        for word in (b"compatible_brands", b"COMPATIBLE_BRANDS", b"major_brand", b"MAJOR_BRAND"):
            assert word not in data


def test_uneven_times_that_y4m_loses_are_said(
    cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    even = clip_of(tmp_path / "even.mkv", 12, rate="24000/1001")
    uneven = clip_of(tmp_path / "uneven.mkv", 12, filters=f"select='not(between(n,4,5))',{TAGS}")
    for clip, is_said in ((even, False), (uneven, True)):
        result = cli("video", clip, "-o", "-", "--format", "y4m", "-w", "fill", *whole)
        assert result.code == 0, result.err
        assert ("y4m holds no times" in result.err) == is_said


@pytest.mark.parametrize(
    ("start", "suffix"), [("9", ".mp4"), ("9", ".ts"), ("9", ".mkv"), ("500f", ".mp4")]
)
def test_a_start_beyond_the_end_names_the_clip(
    start: str, suffix: str, cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    clip = clip_of(tmp_path / f"c{suffix}", 30)
    result = cli("video", clip, "-o", "o.mov", "-w", "alpha", "--start", start, *whole)
    assert result.code == 1
    assert f"{clip}: it ends before --start {start}; begin earlier" in result.err
    assert not list(tmp_path.glob("*o.mov*"))


def test_after_a_full_disk_it_is_said_where_the_pieces_lie(
    cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    noise = "noise=alls=90:allf=t,format=yuv444p"
    clip = make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", frames=30, size=SIZE, filters=noise)
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        options = ("-w", "fill", "--piece-frames", "5", "--min-free", "0", *whole)
        result = cli("video", clip, "-o", disk / "o.mkv", *options)
        assert result.code == 1
        assert "the disk is full" in result.err
        assert f"frames are kept in {disk}/.o.mkv." in result.err
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-o", "x.mov", "--format", "mkv"), "--format mkv contradicts its name"),
        (("-o", "x.y4m"), "use -o - --format y4m"),
        (("-o", "x.nut"), "use -o - --format nut"),
    ],
)
def test_names_that_cannot_be_meant(
    arguments: tuple[str, ...], reason: str, cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "a.mp4").write_bytes(b"x")
    result = cli("video", "a.mp4", *arguments)
    assert result.code == 2, result.err
    assert reason in " ".join(result.err.split())
