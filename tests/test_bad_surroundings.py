"""Disks, folders, pipes, signals and helpers that fail: nothing half written, and a clear end."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import pytest

from tests.conftest import ROOT, load, outputs_in, photo, save
from tests.faults import mounted, program, run
from tests.video_clips import make_clip

needs_full = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="there is no device that is full"
)


def cutouts(folder: Path, count: int, side: int = 64) -> Path:
    for number in range(count):
        color = photo(side, side, seed=number)
        save(folder / f"p{number}.png", np.dstack([color, 255 - color[..., 0]]))
    return folder


@contextmanager
def started(
    folder: Path, *arguments: str | Path, stderr: int | IO[str] = subprocess.PIPE
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-m", "mattecli", *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def status_with_full_log(folder: Path, *arguments: str | Path) -> int:
    with (
        Path("/dev/full").open("w") as full,
        started(folder, *arguments, stderr=full) as process,
    ):
        process.communicate(timeout=100)
    return process.returncode


def wait_for_files(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*.png"))) < count:
        assert time.monotonic() < deadline, "the run wrote nothing"
        time.sleep(0.005)


def assert_all_whole(folder: Path, side: int = 64) -> int:
    """Nothing but whole pictures; how many."""
    found = outputs_in(folder)
    for path in found:
        assert path.suffix == ".png", path
        assert load(path).shape[:2] == (side, side)
    return len(found)


def test_a_disk_that_fills_up_keeps_what_is_finished(tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 30)
    with mounted(tmp_path / "disk", "size=200k") as disk:
        done = run(program("composite", "in", "-b", "navy", "-o", "disk/"), tmp_path)
        assert done.returncode == 1
        lines = done.stderr.splitlines()
        failed = [line for line in lines if line.startswith("failed: ")]
        assert 0 < len(failed) < 30
        reason = "the disk is full; free some space and run again with --existing skip"
        assert all(line.endswith(reason) for line in failed)
        assert assert_all_whole(disk) == 30 - len(failed)
        assert f"{30 - len(failed)} done, {len(failed)} failed, of 30" in lines[-1]


@pytest.mark.parametrize("how", ["by permission", "by mount"])
def test_a_read_only_folder(tmp_path: Path, how: str) -> None:
    cutouts(tmp_path / "in", 2)
    folder = tmp_path / "out"
    command = program("composite", "in", "-o", "out/")
    if how == "by permission":
        folder.mkdir(mode=0o555)
        done = run(command, tmp_path)
        reason = "it may not be written; change permissions or choose another output folder"
    else:
        with mounted(folder, "ro"):
            done = run(command, tmp_path)
        reason = "the file system is read-only; choose another output folder"
    assert done.returncode == 1
    assert done.stderr.splitlines()[:2] == [
        f"failed: out/p{number}-composite.png: {reason}" for number in (0, 1)
    ]
    assert outputs_in(folder) == []


def test_a_folder_that_vanishes_is_made_again(tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 300)
    with started(tmp_path, "composite", "in", "-o", "out/", "--report", "r.jsonl") as process:
        wait_for_files(tmp_path / "out", 3)
        (tmp_path / "out").rename(tmp_path / "gone")
        assert process.wait(60) in (0, 1)
    kept = len([path for path in outputs_in(tmp_path / "gone") if path.suffix == ".png"])
    again = run(program("composite", "in", "-o", "out/", "--existing", "skip"), tmp_path)
    assert again.returncode == 0, again.stderr
    assert kept >= 3
    assert assert_all_whole(tmp_path / "out") == 300


def test_inputs_that_vanish_fail_one_by_one(tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 300)
    with started(tmp_path, "composite", "in", "-o", "out/") as process:
        wait_for_files(tmp_path / "out", 3)
        (tmp_path / "in").rename(tmp_path / "gone")
        words = process.communicate(timeout=60)[1]
    failed = re.findall(r"^failed: in/p\d+\.png: there is no such file; check", words, re.M)
    assert process.returncode == 1
    assert failed
    assert assert_all_whole(tmp_path / "out") == 300 - len(failed)


def test_a_reader_that_goes_away_ends_the_run_in_one_line(tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 40)
    with started(tmp_path, "composite", "in", "-o", "out/", "--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr is not None
        words = process.stderr.read()
        assert process.wait(60) == 1
    assert words == "mattecli: standard output was closed by its reader\n"
    assert assert_all_whole(tmp_path / "out") > 0


@needs_full
@pytest.mark.parametrize("words", [(), ("-v",), ("--debug",)])
def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    cutouts(tmp_path / "in", 4)
    (tmp_path / "in" / "p1.png").write_bytes(b"no picture")
    command = ("composite", "in", "-o", "out/", *words)
    assert status_with_full_log(tmp_path, *command) == 1
    assert assert_all_whole(tmp_path / "out") == 3
    assert status_with_full_log(tmp_path, *command, "--shard", "0/2") == 0
    assert status_with_full_log(tmp_path, *command, "--shard", "2/2") == 2


@needs_full
def test_a_log_of_videos_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    for name in "ab":
        make_clip(tmp_path / "in" / f"{name}.mp4", frames=2, size=(64, 48))
    made = ("-w", "alpha", "--format", "mkv", "--size", "32", "-v")
    assert status_with_full_log(tmp_path, "video", "in", "-o", "out/", *made) == 0
    assert {path.name for path in outputs_in(tmp_path / "out")} == {"a-alpha.mkv", "b-alpha.mkv"}


def test_a_reader_of_the_log_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 40)
    (tmp_path / "in" / "p1.png").write_bytes(b"no picture")
    with started(tmp_path, "composite", "in", "-o", "out/", "--json") as process:
        assert process.stderr is not None
        assert process.stdout is not None
        process.stderr.close()
        assert process.stdout.read().count("\n") == 41
        assert process.wait(60) == 1
    assert assert_all_whole(tmp_path / "out") == 39


def test_a_terminal_that_goes_away_stops_nothing(tmp_path: Path) -> None:
    """With a progress bar on it."""
    cutouts(tmp_path / "in", 40)
    (tmp_path / "in" / "p30.png").write_bytes(b"no picture")
    ours, theirs = pty.openpty()
    with (
        os.fdopen(theirs, "w") as terminal,
        started(tmp_path, "composite", "in", "-o", "out/", stderr=terminal) as process,
    ):
        terminal.close()
        wait_for_files(tmp_path / "out", 3)
        os.close(ours)
        assert process.wait(60) == 1
    assert assert_all_whole(tmp_path / "out") == 39


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    cutouts(tmp_path / "in", 300)
    with started(tmp_path, "composite", "in", "-o", "out/") as process:
        wait_for_files(tmp_path / "out", 3)
        process.send_signal(number)
        words = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    (line,) = words.splitlines()
    told = re.match(
        r"interrupted: (\d+) done, (\d+) not reached, of 300, in [\d.]+ s; what is done is in out,"
        r" --existing skip goes on$",
        line,
    )
    assert told is not None, line
    assert assert_all_whole(tmp_path / "out") == int(told[1]) < 300


def dying_ffmpeg(path: Path, after: str) -> Path:
    """An ffmpeg that answers questions and dies at work.

    Args:
        path: of the script.
        after: a shell command that comes before its death.
    """
    import imageio_ffmpeg

    real = imageio_ffmpeg.get_ffmpeg_exe()
    path.write_text(
        f'#!/bin/sh\ncase "$*" in *-filters*|*" -h "*) exec "{real}" "$@";; esac\n'
        f"{after}\nkill -9 $$\n"
    )
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("after", ["", "head -c 100 /dev/zero >&2; sleep 0.3"])
def test_a_decoder_that_is_killed(tmp_path: Path, after: str) -> None:
    make_clip(tmp_path / "clip.mp4", frames=5, size=(64, 48))
    fake = dying_ffmpeg(tmp_path / "ffmpeg", after)
    command = program("video", "clip.mp4", "-o", "out.mkv", "--size", "64")
    done = run(command, tmp_path, IMAGEIO_FFMPEG_EXE=str(fake))
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    assert line.startswith("failed: clip.mp4: the ")
    assert "(ffmpeg) was killed by signal 9; run it again with --resume" in line
    assert not (tmp_path / "out.mkv").exists()
