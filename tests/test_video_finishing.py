"""What is done to the alphas and colours of a video's frames after they are found."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.conftest import PICTURES, Cli, load, save
from tests.test_cli_journal import statuses
from tests.video_clips import Identity, ffmpeg, make_clip, read, run_video, take_all

Levels = npt.NDArray[np.uint8]
Float32 = npt.NDArray[np.float32]
SIZE = (96, 64)
GREEN, BLUE, GREY = (20, 200, 40), (20, 40, 200), (90, 90, 90)
SPILT = (120, 150, 120)
FOUND = "its background is a green screen, whose light is taken off"


def frame(behind: tuple[int, int, int], *, share: float = 1.0, number: int = 0) -> Levels:
    """A subject with green light on it before a screen; the rest of what is behind it is grey."""
    picture = np.full((SIZE[1], SIZE[0], 3), GREY, np.uint8)
    picture[: round(SIZE[1] * share)] = behind
    picture[16:48, 32:64] = SPILT
    picture[30, 40 + number % 8] = 0  # so that no two frames are alike
    return picture


def middle(color: npt.NDArray[np.generic]) -> Float32:
    """The alpha of the subject of ``frame``."""
    alpha = np.zeros(color.shape[:2], np.float32)
    alpha[16:48, 32:64] = 1
    return alpha


def lossless(path: Path, frames: list[Levels]) -> Path:
    folder = path.with_suffix("")
    for number, picture in enumerate(frames):
        save(folder / f"{number:03d}.png", picture)
    ffmpeg("-framerate", "25", "-i", folder / "%03d.png", "-c:v", "ffv1", "-pix_fmt", "bgr0", path)
    return path


def excess(picture: npt.NDArray[np.generic]) -> int:
    """How much greener than grey the subject's edge is."""
    red, green, blue, *_ = picture[16, 48].astype(int)
    return int(green - (red + blue) // 2)


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    """Two frames of a portrait before a green screen, with its light on the hair."""
    photo = cv2.resize(load(PICTURES / "photos" / "astronaut.jpg"), (256, 256))
    mask = np.zeros((256, 256), np.float32)
    cv2.ellipse(mask, (113, 60), (42, 58), 0, 0, 360, 1, -1)
    cv2.ellipse(mask, (113, 230), (100, 120), 0, 0, 360, 1, -1)
    alpha = cv2.GaussianBlur(mask, (0, 0), 2)[..., None]
    for number in range(2):
        light = 40 * np.float32([0, 1, 0]) * cv2.blur(1 - alpha[..., 0], (31, 31))[..., None]
        mixed = alpha * (photo + light) + (1 - alpha) * np.float32(GREEN) + number
        save(tmp_path / f"in/{number + 1}.png", np.clip(mixed, 0, 255).astype(np.uint8))
    return tmp_path / "in"


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--despill", "blue", "--despill-strength", "0.5"),
        ("--invert", "--choke", "1.5"),
        ("--min-area", "500", "--threshold", "0.4", "--choke", "2", "--feather", "1"),
    ],
)
def test_frames_are_finished_as_photos_are(
    options: tuple[str, ...], cli: Cli, portrait: Path, tmp_path: Path
) -> None:
    common = ("--model", "modnet", "-w", "foreground", *options)
    stills = cli("matte", portrait, "-o", "stills", "--refine", "none", *common)
    frames = cli("video", portrait, "-o", "frames/%d.png", *common)
    assert (stills.code, frames.code) == (0, 0), frames.err
    for number in (1, 2):
        wanted = load(tmp_path / f"stills/{number}-foreground.png")
        np.testing.assert_array_equal(load(tmp_path / f"frames/{number}.png"), wanted)
    assert (
        (FOUND in stills.err)
        == (FOUND in frames.err)
        == ("--despill" not in options and "--invert" not in options)
    )


def test_the_light_of_a_screen_is_taken_off(cli: Cli, portrait: Path, tmp_path: Path) -> None:
    for out, options in (("auto", ()), ("off", ("--despill", "off"))):
        done = cli("video", portrait, "-o", f"{out}/%d.png", "--model", "modnet", *options)
        assert done.code == 0, done.err
    clean, spilt = (load(tmp_path / out / "1.png").astype(float) for out in ("auto", "off"))
    np.testing.assert_array_equal(clean[..., 3], spilt[..., 3])
    seen = clean[..., 3] > 20
    greener = [
        np.maximum(one[..., 1] - (one[..., 0] + one[..., 2]) / 2, 0)[seen].mean()
        for one in (clean, spilt)
    ]
    assert greener[0] < 0.6 * greener[1]


def test_a_screen_is_told_for_each_shot_and_stays_to_its_end(tmp_path: Path) -> None:
    shots = [
        [frame(GREY, number=0), frame(GREY, number=1)],
        [
            frame(GREEN, share=share, number=n)
            for n, share in enumerate((0.75, 0.9, 0.75, 0.85, 0.78))
        ],
        [frame(GREY, number=n) for n in range(3)],
        [frame(GREEN, number=n) for n in range(2)],
    ]
    clip = lossless(tmp_path / "c.mkv", [picture for shot in shots for picture in shot])
    out = tmp_path / "o" / "%02d.png"
    done = run_video(clip, out, ("fill",), Identity(middle), foreground="none")
    assert done.item.notes.count(FOUND) == 1
    found = [excess(load(out.parent / f"{n:02d}.png")) for n in range(1, 13)]
    assert [value < 10 for value in found] == [*[False] * 3, *[True] * 4, *[False] * 3, True, True]
    assert {value for value in found if value >= 10} == {30}


def test_too_little_background_tells_of_no_screen(tmp_path: Path) -> None:
    def nearly_all(color: npt.NDArray[np.generic]) -> Float32:
        alpha = np.ones(color.shape[:2], np.float32)
        alpha[:2] = 0
        return alpha

    clip = lossless(tmp_path / "c.mkv", [frame(GREEN)] * 2)
    done = run_video(clip, tmp_path / "o.mkv", ("fill",), Identity(nearly_all), foreground="none")
    assert done.report.done == 1
    assert FOUND not in done.item.notes


def test_a_resumed_run_knows_the_screen_of_the_shot_it_goes_on_with(tmp_path: Path) -> None:
    frames = [frame(GREEN, share=0.85 if n < 2 else 0.75, number=n) for n in range(24)]
    clip = lossless(tmp_path / "c.mkv", frames)
    whole, resumed = tmp_path / "whole.mkv", tmp_path / "resumed.mkv"
    usual = {"foreground": "none", "piece_frames": 8}
    assert run_video(clip, whole, ("fill",), Identity(middle), **usual).report.done == 1
    assert [excess(f.to_ndarray(format="rgb24")) < 15 for f in read(whole).frames] == [True] * 24
    count = 0

    def fails(color: npt.NDArray[np.generic]) -> Float32:
        nonlocal count
        count += 1
        if count == 20:
            raise MemoryError
        return middle(color)

    assert run_video(clip, resumed, ("fill",), Identity(fails), **usual).report.failed == 1
    count = 100
    done = run_video(clip, resumed, ("fill",), Identity(fails), **usual, resume=True)
    assert done.report.done == 1
    assert count < 100 + 24
    assert done.item.notes.count(FOUND) == 1
    assert resumed.read_bytes() == whole.read_bytes()


def test_other_finishing_is_not_resumed_into_old_pieces(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "c.mp4", frames=20, size=SIZE)
    count = 0

    def fails(color: npt.NDArray[np.generic]) -> Float32:
        nonlocal count
        count += 1
        if count == 18:
            raise MemoryError
        return middle(color)

    out = tmp_path / "o.mkv"
    usual = {"piece_frames": 8}
    assert run_video(clip, out, ("alpha",), Identity(fails), **usual).report.failed == 1
    done = run_video(clip, out, ("alpha",), Identity(middle), **usual, resume=True, invert=True)
    assert any("begun anew" in note for note in done.item.notes)
    assert all(f.to_ndarray(format="gray")[32, 48] == 0 for f in read(out).frames)


def test_a_journal_knows_of_finishing(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    make_clip(tmp_path / "in" / "c.mp4", frames=3, size=SIZE)
    again = ("video", "in", "-o", "o", "--format", "mkv", "--existing", "skip", "--json")
    common = (*take_all(tmp_path, SIZE), "-w", "fill")
    assert statuses(cli(*again, *common)) == ["done"]
    assert statuses(cli(*again, *common)) == ["skipped"]
    assert statuses(cli(*again, *common, "--despill", "green")) == ["done"]
    assert statuses(cli(*again, *common, "--despill", "green")) == ["skipped"]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--threshold", "2"), "--threshold 2.0 is no alpha"),
        (("--despill-strength", "3"), "--despill-strength 3.0 is out of range"),
        (("--feather", "-1"), "--feather -1.0 is out of range"),
        (("--crop", "subject"), "No such option"),
    ],
)
def test_finishing_that_makes_no_sense_is_wrong_usage(
    options: tuple[str, ...], reason: str, cli: Cli, tmp_path: Path
) -> None:
    (tmp_path / "c.mp4").write_bytes(b"no video")
    done = cli("video", "c.mp4", "-o", "o.mov", *options)
    assert done.code == 2
    assert reason in " ".join(done.err.split())


def test_despill_without_colours_is_told(cli: Cli, tmp_path: Path) -> None:
    make_clip(tmp_path / "c.mp4", frames=2, size=SIZE)
    common = ("video", "c.mp4", "-o", "o.mkv", *take_all(tmp_path, SIZE))
    done = cli(*common, "-w", "alpha", "--despill", "green")
    assert "without effect on what is written: --despill\n" in done.err
    done = cli(*common, "-w", "fill", "--despill", "off", "--despill-strength", "0.5")
    assert "without effect on what is written: --despill-strength\n" in done.err
