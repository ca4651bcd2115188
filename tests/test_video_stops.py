"""Videos that are interrupted, damaged or cut off; disks that are full; resuming."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, Cli, save
from tests.video_clips import Identity, make_clip, read, run_video
from tests.video_runs import PIECE, has_piece, started, wait_for

TAGS = (
    "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setparams=colorspace=bt709:range=tv"
)
LONG = 140  # frames: two whole pieces and a part


def _clip(folder: Path, size: tuple[int, int]) -> Path:
    sound = ("-c:a", "aac")
    return make_clip(
        folder / "long.mp4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50",
        frames=LONG, size=size, filters=TAGS, sound=sound,
    )  # fmt: skip


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _clip(tmp_path_factory.mktemp("long"), (64, 48))


@pytest.fixture(scope="module")
def large_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames of which a pipe holds few, so that the decoder cannot run far ahead."""
    return _clip(tmp_path_factory.mktemp("large"), (320, 240))


def children_of(process: subprocess.Popen[str], role: str) -> list[int]:
    """The ffmpegs of a run: its decoder reads ``fd:``, its encoders ``pipe:0``."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with suppress(OSError):
            status = (entry / "status").read_text()
            words = (entry / "cmdline").read_bytes().split(b"\0")
            mine = re.search(rf"^PPid:\s+{process.pid}$", status, re.MULTILINE)
            if mine and b"ffmpeg" in words[0] and role.encode() in words:
                found.append(int(entry.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_file_that_plays_and_a_run_to_resume(
    number: signal.Signals, long_clip: Path, tmp_path: Path
) -> None:
    undisturbed, stopped = tmp_path / "a", tmp_path / "b"
    for folder in (undisturbed, stopped):
        folder.mkdir()
    with started(undisturbed, long_clip, "-o", "out.mov", "-w", "alpha") as process:
        assert process.wait(timeout=240) == 0

    with started(stopped, long_clip, "-o", "out.mov", "-w", "alpha") as process:
        wait_for(lambda: has_piece(stopped))
        process.send_signal(number)
        words = process.communicate(timeout=60)[1]
        assert process.returncode == 130, words
    partial = stopped / "out.partial.mov"
    assert not (stopped / "out.mov").exists()
    assert "out.partial.mov holds the first" in words
    assert "--resume" in words
    part = read(partial)
    told = int(re.search(r"holds the first (\d+) frames", words)[1])  # type: ignore[index]
    assert PIECE <= len(part.frames) == told < LONG
    assert part.audio  # sound as far as the pictures go
    whole = read(undisturbed / "out.mov")
    assert part.times == whole.times[: len(part.times)]
    assert len(part.audio) < len(whole.audio)

    command = (long_clip, "-o", "out.mov", "-w", "alpha", "--resume")
    with started(stopped, *command) as process:
        words = process.communicate(timeout=240)[1]
        assert process.returncode == 0, words
    assert (stopped / "out.mov").read_bytes() == (undisturbed / "out.mov").read_bytes()
    assert sorted(entry.name for entry in stopped.iterdir()) == ["out.mov"]


def _caught(process: subprocess.Popen[str], role: str, folder: Path) -> list[int]:
    """The ffmpegs of a run that has completed a piece."""
    return children_of(process, role) if has_piece(folder) else []


@pytest.mark.parametrize("role", ["fd:", "pipe:0"], ids=["decoder", "encoder"])
def test_a_killed_ffmpeg_fails_the_video_and_keeps_its_pieces(
    role: str, large_clip: Path, tmp_path: Path
) -> None:
    for _ in range(3):  # a busy machine may look only when the run is over
        with started(tmp_path, large_clip, "-o", "out.mkv") as process:
            # Looked up once: the next moment it may have ended by itself.
            found = wait_for(lambda: _caught(process, role, tmp_path) or process.poll() is not None)
            if found is not True:
                os.kill(found[0], signal.SIGKILL)
            words = process.communicate(timeout=60)[1]
        if process.returncode:
            break
        (tmp_path / "out.mkv").unlink()
    assert process.returncode == 1, words
    assert "(ffmpeg) was killed by signal 9" in words
    assert "--resume" in words
    assert not (tmp_path / "out.mkv").exists()
    with started(tmp_path, large_clip, "-o", "out.mkv", "--resume") as process:
        assert process.wait(timeout=240) == 0
    assert len(read(tmp_path / "out.mkv").frames) == LONG


def test_a_stalled_decoder_is_noticed(long_clip: Path, tmp_path: Path) -> None:
    command = (long_clip, "-o", "out.mkv", "--stall-timeout", "2")
    with started(tmp_path, *command) as process:
        decoder = wait_for(lambda: children_of(process, "fd:"))[0]
        os.kill(decoder, signal.SIGSTOP)
        words = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "the decoder (ffmpeg) did nothing for 2 seconds" in words


def test_an_input_that_vanishes_meanwhile_does_no_harm(long_clip: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.mp4"
    copy.write_bytes(long_clip.read_bytes())
    with started(tmp_path, copy, "-o", "out.mkv", "-w", "alpha") as process:
        wait_for(lambda: children_of(process, "pipe:0"))
        copy.unlink()
        words = process.communicate(timeout=240)[1]
        assert process.returncode == 0, words
    found = read(tmp_path / "out.mkv")
    assert (len(found.frames), found.audio) == (LONG, read(long_clip).audio)


def test_a_full_disk_is_said_and_leaves_nothing_behind(long_clip: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", disk], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        result = run_video(long_clip, disk / "out.mov")
        assert result.report.failed == 1
        assert "the disk is full" in str(result.item.error)
        assert "--resume" in str(result.item.error)
        assert not (disk / "out.mov").exists()
        assert not list(disk.glob("*.partial.*"))
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@pytest.mark.parametrize("suffix", [".mkv", ".mov"])
def test_resuming_steadied_alpha_gives_the_same_pixels(suffix: str, tmp_path: Path) -> None:
    """The pieces of a run that failed in the middle, and the rest by another."""
    clip = make_clip(tmp_path / "c.mp4", frames=110, size=(64, 48), filters=TAGS, rate="30")

    class Flickering(Identity):
        """Alpha from the picture, with noise; fails at a frame if told to."""

        def __init__(self, fails_at: int | None = None) -> None:
            self.seen = 0
            self.fails_at = fails_at
            super().__init__(self.alpha)

        def alpha(self, color: np.ndarray) -> np.ndarray:
            self.seen += 1
            if self.seen == self.fails_at:
                raise MemoryError
            noise = np.random.default_rng(int(color.astype(int).sum())).normal(0, 0.2, (48, 64))
            return np.clip(color[..., 0] / 255 + noise, 0, 1).astype(np.float32)

    for smooth in ("ofd", "flow"):
        whole, resumed = tmp_path / f"{smooth}{suffix}", tmp_path / f"{smooth}-resumed{suffix}"
        assert (
            run_video(
                clip, whole, ("alpha",), Flickering(), smooth=smooth, piece_frames=PIECE
            ).report.done
            == 1
        )
        failed = run_video(
            clip, resumed, ("alpha",), Flickering(100), smooth=smooth, piece_frames=PIECE
        )
        assert failed.report.failed == 1
        assert not resumed.exists()
        rest = Flickering()
        done = run_video(
            clip, resumed, ("alpha",), rest, smooth=smooth, piece_frames=PIECE, resume=True
        )
        assert done.report.done == 1
        assert rest.seen < 60  # only what was missing, and its neighbours
        assert resumed.read_bytes() == whole.read_bytes()


def test_resuming_with_other_settings_begins_anew(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mp4", frames=80, size=(64, 48), filters=TAGS)
    out = tmp_path / "out.mkv"
    count = 0

    def fails(color: np.ndarray) -> np.ndarray:
        nonlocal count
        count += 1
        if count == 75:
            raise MemoryError
        return np.ones(color.shape[:2], np.float32)

    assert run_video(clip, out, ("alpha",), Identity(fails), piece_frames=PIECE).report.failed == 1
    done = run_video(clip, out, ("alpha",), resume=True, smooth="ofd", piece_frames=PIECE)
    assert done.report.done == 1
    assert any("begun anew" in note for note in done.item.notes)
    assert len(read(out).frames) == 80


def test_resuming_with_other_images_begins_anew(cli: Cli, tmp_path: Path) -> None:
    """Images of the same names are told apart by their sizes and times."""
    mask = np.full((120, 160), 255, np.uint8)
    save(tmp_path / "all.png", mask)
    for number in range(4):
        save(tmp_path / f"in/{number}.png", np.full((120, 160, 3), 10, np.uint8))
    whole = ("--model", "closed-form", "--foreground", "none", "--trimap", "all.png")
    for given in ("in", "in/%d.png"):
        command = ("video", given, "-o", "o.mkv", "-w", "fill", "--piece-frames", "2", *whole)
        (tmp_path / "in/3.png").rename(tmp_path / "away.png")
        save(tmp_path / "in/3.png", np.full((60, 80, 3), 10, np.uint8))  # of another size
        assert cli(*command).code == 1
        (tmp_path / "away.png").rename(tmp_path / "in/3.png")
        for number in range(4):
            save(tmp_path / f"in/{number}.png", np.full((120, 160, 3), 200, np.uint8))
        result = cli(*command, "--resume")
        assert result.code == 0, result.err
        assert "begun anew" in result.err
        for frame in read(tmp_path / "o.mkv").frames:
            assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - 200).max() <= 1


def test_a_stream_that_stops_leaves_nothing_to_resume(long_clip: Path, tmp_path: Path) -> None:
    with long_clip.open("rb") as stream:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.video_program", "0.02", "video", "-"),
                *("-o", "out.mkv", "--piece-frames", "20"),
            ],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=stream,
            stderr=subprocess.PIPE,
            text=True,
        )
    wait_for(lambda: has_piece(tmp_path))
    process.send_signal(signal.SIGINT)
    words = process.communicate(timeout=60)[1]
    assert process.returncode == 130, words
    assert "--resume" not in words
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.partial.mkv"]


def test_an_interrupted_run_says_where_it_has_got_to_and_how_to_go_on(
    long_clip: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    make_clip(folder / "a.mp4", frames=2, size=(64, 48))
    (folder / "b.mp4").write_bytes(long_clip.read_bytes())
    with started(tmp_path, folder, "-o", "out", "-w", "alpha") as process:
        wait_for((tmp_path / "out" / "a-alpha.mov").exists)
        wait_for(lambda: has_piece(tmp_path / "out"))
        process.send_signal(signal.SIGINT)
        words = process.communicate(timeout=60)[1]
    assert process.returncode == 130, words
    assert words.splitlines()[-1].startswith("interrupted: 1 done, 1 not reached, of 2, in ")
    assert words.endswith("s; what is done is in out, --existing skip --resume goes on\n")
    with started(
        tmp_path, folder, "-o", "out", "-w", "alpha", "--existing", "skip", "--resume"
    ) as process:
        words = process.communicate(timeout=240)[1]
    assert process.returncode == 0, words
    assert "1 done, 1 skipped (outputs were there), of 2" in words
