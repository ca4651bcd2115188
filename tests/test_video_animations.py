"""Animated WebP and PNG as videos: frames, times, what is left of them when they are cut off."""

from __future__ import annotations

import os
import subprocess
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from tests.conftest import ROOT, Cli, photo, save
from tests.test_video_pipes import program
from tests.video_clips import make_clip, read, run_video, take_all

SIZE = (96, 64)
TIMES = (40, 40, 80, 5, 120)
BEGINNINGS = {"webp": (0, 40, 80, 160, 260), "png": (0, 40, 80, 160, 165)}  # ms


@pytest.fixture
def whole(tmp_path: Path) -> tuple[str, ...]:
    return (*take_all(tmp_path, SIZE), "-w", "fill")


def pictures() -> list[npt.NDArray[np.uint8]]:
    """A square that moves over a picture that stays: encoders store the changes alone."""
    behind = photo(*SIZE, 3)
    moved = [behind.copy() for _ in TIMES]
    for number, one in enumerate(moved):
        one[20:30, 10 + 8 * number : 18 + 8 * number] = (255, 0, 0)
    return moved


def animation(path: Path) -> Path:
    """The pictures, without loss, shown as long as ``TIMES`` says."""
    first, *others = (Image.fromarray(one) for one in pictures())
    first.save(path, save_all=True, append_images=others, duration=list(TIMES), lossless=True)
    return path


def rgb_frames(path: Path) -> list[npt.NDArray[np.uint8]]:
    return [frame.to_ndarray(format="rgb24") for frame in read(path).frames]


@pytest.mark.parametrize("name", ["a.webp", "a.png", "a.apng"])
def test_every_frame_at_its_time(
    name: str, cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    kind = "webp" if name == "a.webp" else "png"
    animation(tmp_path / f"x.{kind}").rename(tmp_path / name)
    result = cli("video", name, "-o", "o/%d.png", *whole)
    assert result.code == 0, result.err
    told = (tmp_path / "o/timecodes.txt").read_text().split("\n")[1:-1]
    assert [round(float(time)) for time in told] == list(BEGINNINGS[kind])
    for number, wanted in enumerate(pictures(), 1):
        found = np.asarray(Image.open(tmp_path / f"o/{number}.png"))
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("kind", ["foreground", "composite"])
def test_the_webp_that_video_writes_is_read_again(kind: str, tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mp4", frames=6, size=SIZE)
    assert run_video(clip, tmp_path / "own.webp", (kind,)).report.done == 1
    done = run_video(tmp_path / "own.webp", tmp_path / "o.mkv", ("fill",), foreground="none")
    assert done.report.done == 1
    assert read(tmp_path / "o.mkv").times == [Fraction(number, 25) for number in range(6)]
    for found, wanted in zip(rgb_frames(tmp_path / "o.mkv"), rgb_frames(clip), strict=True):
        assert np.abs(found.astype(int) - wanted).mean() < 3


def test_a_webp_by_pipe(tmp_path: Path, whole: tuple[str, ...]) -> None:
    animation(tmp_path / "a.webp")
    with (tmp_path / "a.webp").open("rb") as stream:
        done = subprocess.run(
            program("-", "-o", "o.mkv", "-w", "fill", "--foreground", "none"),
            stdin=stream, cwd=tmp_path, capture_output=True, check=False,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert len(read(tmp_path / "o.mkv").frames) == len(TIMES)


def test_a_webp_that_is_cut_off_is_said(cli: Cli, whole: tuple[str, ...], tmp_path: Path) -> None:
    data = animation(tmp_path / "a.webp").read_bytes()
    (tmp_path / "a.webp").write_bytes(data[:-30])
    result = cli("video", "a.webp", "-o", "o.mkv", *whole)
    assert result.code == 1
    assert "it ends early; its 4 frames are written" in result.err
    for number, found in enumerate(rgb_frames(tmp_path / "o.mkv")):
        assert np.abs(found.astype(int) - pictures()[number]).max() <= 3
    (tmp_path / "a.webp").write_bytes(data[:40])
    result = cli("video", "a.webp", "-o", "none.mkv", *whole)
    assert result.code == 1
    assert "no frame of its video stream (webp_anim) can be decoded" in result.err


def test_a_part_of_a_webp(cli: Cli, whole: tuple[str, ...], tmp_path: Path) -> None:
    animation(tmp_path / "a.webp")
    part = ("--start", "0.08", "--end", "4f")
    result = cli("video", "a.webp", "-o", "o/%d.png", *part, *whole)
    assert result.code == 0, result.err
    for number in (1, 2):
        found = np.asarray(Image.open(tmp_path / f"o/{number}.png"))
        np.testing.assert_array_equal(found, pictures()[number + 1])
    assert not (tmp_path / "o/3.png").exists()


@pytest.mark.parametrize("name", ["a.webp", "a.png"])
def test_one_picture_is_no_video(
    name: str, cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    save(tmp_path / name, photo(*SIZE))
    result = cli("video", name, "-o", "o.mkv", *whole)
    assert result.code == 1
    assert "it is an image, not a video" in result.err


def test_an_animation_behind_the_subject_moves(cli: Cli, tmp_path: Path) -> None:
    animation(tmp_path / "b.webp")
    save(tmp_path / "none.png", np.zeros((SIZE[1], SIZE[0]), np.uint8))
    make_clip(tmp_path / "c.mkv", "-c:v", "ffv1", "-pix_fmt", "bgr0", frames=3, size=SIZE)
    common = ("--model", "closed-form", "--trimap", "none.png", "--foreground", "none")
    result = cli("video", "c.mkv", "-o", "o/%d.png", "--background-fill", "b.webp", *common)
    assert result.code == 0, result.err
    for number in (1, 2, 3):
        found = np.asarray(Image.open(tmp_path / f"o/{number}.png"))
        np.testing.assert_array_equal(found, pictures()[number - 1])
