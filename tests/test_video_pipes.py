"""Videos through standard input and standard output, between other programs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.video_clips import FFMPEG, make_clip, read

TAGS = (
    "format=gbrp,zscale=matrixin=gbr:rangein=full:matrix=709:range=limited,format=yuv420p,"
    "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
)
LOSSLESS = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return make_clip(path, *LOSSLESS, frames=6, filters=TAGS)


def program(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "tests.video_program", "0", "video", *map(str, arguments)]


@pytest.mark.parametrize("container", ["nut", "matroska", "mp4"])
def test_a_pipe_in_and_a_pipe_out(container: str, clip: Path, tmp_path: Path) -> None:
    """ffmpeg | mattecli video | ffmpeg: an ordinary mp4 has its index at the end."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    if container == "mp4":
        feed = ["cat", str(clip)]
    else:
        feed = [FFMPEG, "-v", "error", "-i", str(clip), "-c:v", "rawvideo", "-f", container, "-"]
        if container == "matroska":
            feed[5:9] = ["-c", "copy", "-f", "matroska"]
    sink = [FFMPEG, "-v", "error", "-y", "-copyts", "-i", "-", "-c:v", "ffv1", "-pix_fmt", "bgra"]
    sink += ["-fps_mode", "passthrough", str(tmp_path / "out.mkv")]
    one = subprocess.Popen(feed, stdout=subprocess.PIPE)
    two = subprocess.Popen(
        program("-", "-o", "-"), stdin=one.stdout, stdout=subprocess.PIPE, env=environment
    )
    three = subprocess.Popen(sink, stdin=two.stdout)
    for end in (one.stdout, two.stdout):
        assert end is not None
        end.close()
    assert (three.wait(60), two.wait(60), one.wait(60)) == (0, 0, 0)
    found = read(tmp_path / "out.mkv")
    assert [float(time) for time in found.times] == [0.04 * n for n in range(6)]
    alpha = found.frames[3].to_ndarray(format="bgra")[..., 3]
    red = found.frames[3].to_ndarray(format="bgra")[..., 2]
    shown = alpha > 250
    assert np.abs(red[shown].astype(int) - alpha[shown]).max(initial=0) <= 6


def test_sound_that_came_by_pipe_is_kept(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mkv", *LOSSLESS, frames=20, filters=TAGS, sound=("-c:a", "aac"))
    with clip.open("rb") as stream:
        done = subprocess.run(
            program("-", "-o", "out.mov", "-w", "alpha"),
            stdin=stream,
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr.decode()
    found, source = read(tmp_path / "out.mov"), read(clip)
    assert found.audio == source.audio
    assert len(found.frames) == 20


def test_y4m_for_programs_that_know_no_other(clip: Path, tmp_path: Path) -> None:
    done = subprocess.run(
        program(clip, "-o", "-", "--format", "y4m", "-w", "composite"),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.startswith(b"YUV4MPEG2 W192 H108")
    assert done.stdout.count(b"FRAME\n") == 6


def test_a_reader_that_goes_away(clip: Path) -> None:
    long = subprocess.Popen(
        program(clip, "-o", "-"),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert long.stdout is not None
    long.stdout.read(10)
    long.stdout.close()
    assert long.stderr is not None
    words = long.stderr.read().decode()
    long.stderr.close()
    assert long.wait(60) == 1, words
    assert "--resume" not in words
