"""``--mask``: the trimap is made on the way; photos in which nothing is found; what is told."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from mattecli.ops.trimap import TrimapOptions, make_trimap
from tests.conftest import PICTURES, Cli, Result, load, photo, save
from tests.test_video_companions import Recording, numbered, write_frames
from tests.video_clips import run_video

SIZE = (120, 120)


def disc(radius: int = 30, width: int = 96, height: int = 64) -> npt.NDArray[np.uint8]:
    mask = np.zeros((height, width), np.uint8)
    cv2.circle(mask, (width // 2, height // 2), radius, 255, -1)
    return mask


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    image = cv2.resize(load(PICTURES / "photos" / "astronaut.jpg"), SIZE)
    mask = cv2.resize(load(PICTURES / "masks" / "astronaut.png"), SIZE)
    save(tmp_path / "photos" / "a.png", image)
    save(tmp_path / "masks" / "a-mask.png", mask)
    save(tmp_path / "cutouts" / "a.png", np.dstack([image, mask]))
    return tmp_path / "photos" / "a.png"


@pytest.mark.parametrize("given", ["masks", "masks/a-mask.png", "cutouts"])
def test_a_mask_gives_what_its_trimap_would(cli: Cli, portrait: Path, given: str) -> None:
    shape = ("--dilate", "6", "--erode", "3")
    assert cli("trimap", "masks/a-mask.png", *shape, "-o", "t.png").code == 0
    usual = ("matte", portrait, "-w", "alpha,trimap")
    assert cli(*usual, "--trimap", "t.png", "-o", "one").code == 0
    done = cli(*usual, "--mask", given, *shape, "-o", "two")
    assert done.code == 0, done.err
    assert "model: closed-form" in done.err
    assert "without effect" not in done.err
    for kind in ("alpha", "trimap"):
        name = f"a-{kind}.png"
        assert np.array_equal(load(Path("one", name)), load(Path("two", name))), kind


def test_a_mask_that_does_not_fit_or_shows_nothing_is_named(cli: Cli, portrait: Path) -> None:
    usual = ("matte", portrait, "-o", "out")
    save(Path("small.png"), np.zeros((20, 20), np.uint8))
    save(Path("black.png"), np.zeros(SIZE, np.uint8))
    for name, words in (
        ("small.png", "a.png: small.png: the mask is 20x20, its photo 120x120"),
        ("black.png", "black.png: made of this mask, the trimap has no"),
    ):
        done = cli(*usual, "--mask", name)
        assert done.code == 1
        assert words in done.err
    both = cli(*usual, "--mask", "black.png", "--trimap", "black.png")
    assert both.code == 2
    assert "--trimap and --mask" in both.err
    assert cli(*usual, "--mask", "black.png", "--model", "modnet").code == 2
    missing = cli(*usual, "--model", "knn")
    assert missing.code == 2
    assert "or --mask PATH to have one made" in missing.err


def test_what_is_made_of_a_mask_is_made_again_when_it_changes(cli: Cli, portrait: Path) -> None:
    usual = (
        "matte",
        portrait,
        "--mask",
        "m.png",
        "-w",
        "trimap",
        "--existing",
        "skip",
        "-o",
        "o/",
        "--json",
    )
    save(Path("m.png"), disc(30, *SIZE))
    assert _status(cli(*usual)) == "done"
    assert _status(cli(*usual)) == "skipped"
    assert _status(cli(*usual, "--dilate", "4")) == "done"
    save(Path("m.png"), disc(40, *SIZE))
    assert _status(cli(*usual, "--dilate", "4")) == "done"
    assert _status(cli(*usual, "--dilate", "4")) == "skipped"


def _status(done: Result) -> str:
    return str(json.loads(done.out.splitlines()[0])["status"])


@pytest.mark.parametrize("form", ["video", "one image"])
def test_masks_of_a_video_go_frame_by_frame(form: str, tmp_path: Path) -> None:
    clip = write_frames(tmp_path / "c.mkv", numbered(5))
    masks = [disc(10 + (2 * number if form == "video" else 0)) for number in range(5)]
    given = (
        write_frames(tmp_path / "m.mkv", [np.dstack([mask] * 3) for mask in masks])
        if form == "video"
        else save(tmp_path / "m.png", masks[0])
    )
    recording = Recording()
    done = run_video(clip, tmp_path / "o.mkv", ("alpha",), recording, mask=str(given))
    assert done.report.done == 1, done.item.error
    for one, mask in zip(recording.in_order(), masks, strict=True):
        assert one.trimap is not None
        assert np.array_equal(one.trimap, make_trimap(mask, TrimapOptions()))


def test_a_photo_in_which_nothing_is_found_is_told_or_fails(cli: Cli) -> None:
    save(Path("wall.png"), np.full((200, 260, 3), (150, 160, 140), np.uint8))
    usual = ("matte", "wall.png", "-w", "alpha", "--json", "-o", "out/")
    done = cli(*usual)
    assert done.code == 0
    (note,) = json.loads(done.out.splitlines()[0])["notes"]
    assert note.startswith("nothing was found in it: alpha is ")
    Path("out", "wall-alpha.png").unlink()
    for strict in (("--fail-empty",), ("--crop", "subject")):
        failed = cli(*usual, *strict)
        assert failed.code == 1
        assert "wall.png: nothing was found in it" in failed.err
        assert not Path("out", "wall-alpha.png").exists()


def test_a_photo_with_somebody_in_it_is_not_told(cli: Cli) -> None:
    source = PICTURES / "photos" / "astronaut.jpg"
    done = cli("matte", source, "-w", "alpha", "--fail-empty", "--json", "-o", "o/")
    assert done.code == 0, done.err
    assert not json.loads(done.out.splitlines()[0])["notes"]


@pytest.mark.parametrize(
    ("scale", "words"),
    [(255.0, "reach from 0 to 255"), (np.nan, "no numbers"), (1.0, "")],
)
def test_floats_beyond_their_range_are_told(cli: Cli, scale: float, words: str) -> None:
    image = (photo(64, 64) / np.float32(255)).astype(np.float32)
    image[0, 0], image[1, 1] = 0, np.nan if np.isnan(scale) else 1
    cv2.imwrite("f.tif", image * np.float32(1 if np.isnan(scale) else scale))
    save(Path("m.png"), disc(20, 64, 64))
    done = cli("matte", "f.tif", "--mask", "m.png", "--dilate", "3", "-w", "alpha", "--json")
    (record, _) = map(json.loads, done.out.splitlines())
    assert any(words in note for note in record["notes"]) if words else not record["notes"]


def test_a_failure_in_a_shared_file_names_the_photo(cli: Cli) -> None:
    for name in ("1.png", "2.png"):
        save(Path("in", name), photo(64, 48))
    save(Path("t.png"), np.full((10, 10), 128, np.uint8))
    done = cli("matte", "in", "--trimap", "t.png", "--model", "closed-form")
    assert done.code == 1
    for name in ("1.png", "2.png"):
        assert f"in/{name}: t.png: the trimap is 10x10" in done.err


def test_a_closed_or_full_standard_output_is_named(tmp_path: Path) -> None:
    save(tmp_path / "m.png", disc())
    command = f"{sys.executable} -m mattecli trimap m.png -o -"
    for end, words in ((">&-", "standard output is closed"), (">/dev/full", "takes no more")):
        done = subprocess.run(
            ["sh", "-c", f"{command} {end}"], cwd=tmp_path, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert words in done.stderr
        assert "unexpected" not in done.stderr


def test_what_finishing_leaves_nothing_of_is_told_or_fails(cli: Cli, portrait: Path) -> None:
    usual = ("matte", portrait, "--mask", "masks", "--min-area", "100%", "-w", "alpha", "--json")
    notes = json.loads(cli(*usual).out.splitlines()[0])["notes"]
    assert "nothing is left of it" in notes
    failed = cli(*usual, "--fail-empty")
    assert failed.code == 1
    assert "a.png: nothing is left of it; look at --min-area" in failed.err


def test_a_mask_of_zeros_and_ones_is_named(cli: Cli, portrait: Path) -> None:
    save(Path("ones.png"), disc(30, *SIZE) // 255)
    done = cli("matte", portrait, "--mask", "ones.png")
    assert done.code == 1
    assert "ones.png: the mask reaches from 0 to 1 of 255; multiply it by 255" in done.err
