"""Videos through standard input and standard output, between other programs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT, Cli
from tests.video_clips import FFMPEG, ffmpeg, make_clip, read, take_all

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


@pytest.mark.parametrize(("codec", "count"), [("mjpeg", 6), ("png", 6), ("bmp", 80)])
def test_a_pipe_of_images(codec: str, count: int, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0", frames=count)
    feed = [FFMPEG, "-v", "error", "-i", str(clip), "-f", "image2pipe", "-c:v", codec]
    feed += ["-q:v", "2", "-pix_fmt", "yuvj444p" if codec == "mjpeg" else "rgb24", "-"]
    one = subprocess.Popen(feed, stdout=subprocess.PIPE)
    done = subprocess.run(
        program("-", "-o", "out.mkv", "-w", "fill", "--foreground", "none"),
        stdin=one.stdout,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert one.stdout is not None
    one.stdout.close()
    words = done.stderr.decode()
    assert (done.returncode, one.wait(60)) == (0, 0), words
    assert "it tells no times: 25 images a second are taken" in words
    found, source = read(tmp_path / "out.mkv"), read(clip)
    assert found.times == [Fraction(number, 25) for number in range(count)]
    for number in (0, 3, count - 1):
        made, given = (
            one.frames[number].to_ndarray(format="rgb24").astype(int) for one in (found, source)
        )
        assert np.abs(made - given).mean() < 6


def test_images_that_a_pipe_cannot_tell_apart_are_refused(cli: Cli, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0", frames=2)
    whole = take_all(tmp_path, (192, 108))
    for codec in ("tiff", "exr"):
        own = ("-pix_fmt", "gbrpf32le") if codec == "exr" else ()
        ffmpeg("-i", clip, "-f", "image2pipe", "-c:v", codec, *own, tmp_path / "images")
        result = cli("video", "images", "-o", "o.mkv", "-w", "alpha", *whole)
        assert result.code == 1
        assert f"images of this kind ({codec}) run into each other in a stream" in result.err


def test_a_file_of_photos_with_exif(cli: Cli, tmp_path: Path) -> None:
    stream = b""
    for number in range(3):
        exif = Image.Exif()
        exif[0x010F] = "camera"  # the maker
        photo = io.BytesIO()
        Image.new("RGB", (64, 48), (60 * number + 40, 90, 90)).save(photo, "JPEG", exif=exif)
        stream += photo.getvalue()
    (tmp_path / "x.mjpeg").write_bytes(stream)
    result = cli("video", "x.mjpeg", "-o", "o.mkv", "-w", "fill", *take_all(tmp_path, (64, 48)))
    assert result.code == 0, result.err
    reds = [
        frame.to_ndarray(format="rgb24")[..., 0].mean() for frame in read(tmp_path / "o.mkv").frames
    ]
    np.testing.assert_allclose(reds, [40, 100, 160], atol=3)
