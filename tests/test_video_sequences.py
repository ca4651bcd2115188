"""Numbered images in and out: names, what is complete, what an earlier run left, damage."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.conftest import Cli, load, save
from tests.video_clips import make_clip, read, take_all

SIZE = (160, 120)


@pytest.fixture
def whole(tmp_path: Path) -> tuple[str, ...]:
    return take_all(tmp_path, SIZE)


def clip_of(path: Path, frames: int) -> Path:
    return make_clip(path, "-c:v", "ffv1", frames=frames, size=SIZE, filters="format=yuv444p")


def test_a_percent_sign_in_a_pattern_stands_for_itself(
    cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    clip = clip_of(tmp_path / "c.mkv", 3)
    result = cli("video", clip, "-o", "f/50%_%04d.png", "-w", "fill", *whole)
    assert result.code == 0, result.err
    names = sorted(entry.name for entry in (tmp_path / "f").iterdir())
    assert names == ["50%-timecodes.txt", *(f"50%_{n:04d}.png" for n in (1, 2, 3))]
    again = cli("video", "f/50%_%04d.png", "-o", "back.mkv", "-w", "fill", *whole)
    assert again.code == 0, again.err
    assert len(read(tmp_path / "back.mkv").frames) == 3


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("{stem}.png", "c-000001.png"),
        ("{stem}_{kind}", "c_fill/000001.png"),
        ("{stem}/{kind}", "c/fill/000001.png"),
        ("{stem}/", "c/000001.png"),
        ("{kind}/%04d{ext}", "fill/0001.png"),
        ("{kind}/%04d", "fill/0001.png"),
        ("{stem}_%d.PNG", "c_1.PNG"),
        ("{stem}-{kind}{ext}", "c-fill/000001.png"),
    ],
)
def test_each_image_in_a_folder_gets_its_number(
    name: str, first: str, cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    clip = clip_of(tmp_path / "c.mkv", 3)
    result = cli("video", clip, "-o", "o", "--format", "png", "--name", name, "-w", "fill", *whole)
    assert result.code == 0, result.err
    written = tmp_path / "o" / first
    assert load(written).shape == (120, 160, 3)
    assert len(list(written.parent.glob(f"*{written.suffix}"))) == 3
    assert not list((tmp_path / "o").rglob("*%*"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("%04d/{stem}{ext}", "has a number in a folder's name"),
        ("{stem}{ext}.bak", "does not give each image a number"),
        ("{ext}/{stem}", "does not give each image a number"),
        ("{stem}-%d-%d", "does not give each image a number"),
        ("%d-{stem}-{kind}", "gives one list of times to several outputs"),
        ("{stem}", "gives one name to several outputs"),
        ("{stem}-{kind}.tiff", "contradicts --name"),
    ],
)
def test_names_that_would_lose_images_are_refused(
    name: str, reason: str, cli: Cli, tmp_path: Path
) -> None:
    clip = clip_of(tmp_path / "c.mkv", 3)
    kinds = "alpha" if "image" in reason or "folder" in reason else "alpha,fill"
    result = cli("video", clip, "-o", "o", "--format", "png", "--name", name, "-w", kinds)
    assert result.code == 2
    assert reason in result.err
    assert not (tmp_path / "o").exists()


def test_the_name_of_outputs_in_a_folder_says_their_format(
    cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    clip = clip_of(tmp_path / "c.mkv", 3)
    result = cli("video", clip, "-o", "o", "--name", "{stem}.mkv", "-w", "fill", *whole)
    assert result.code == 0, result.err
    with av.open(str(tmp_path / "o/c.mkv")) as container:
        assert "matroska" in container.format.name
    result = cli("video", clip, "-o", "o", "--name", "{stem}.tif", "-w", "fill", *whole)
    assert result.code == 0, result.err
    assert load(tmp_path / "o/c-000003.tif").shape == (120, 160, 3)


def test_images_of_another_format_are_not_there_yet(
    cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    clip = clip_of(tmp_path / "c.mkv", 3)
    skip = ("-w", "fill", "--existing", "skip", *whole)
    assert "1 skipped" not in cli("video", clip, "-o", "f/%03d.png", *skip).err
    assert "1 skipped" not in cli("video", clip, "-o", "f/%03d.tiff", *skip).err
    assert len(list((tmp_path / "f").glob("*.tiff"))) == 3
    for suffix in ("png", "tiff"):
        assert "1 skipped" in cli("video", clip, "-o", f"f/%03d.{suffix}", *skip).err
    (tmp_path / "f/002.png").unlink()
    assert "1 skipped" not in cli("video", clip, "-o", "f/%03d.png", *skip).err
    assert (tmp_path / "f/002.png").exists()
    refused = cli("video", clip, "-o", "f/%03d.png", "-w", "fill", "--existing", "error", *whole)
    assert refused.code == 1
    assert "exists already" in refused.err


def test_what_an_earlier_longer_run_left_is_removed_or_said(
    cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    clip = clip_of(tmp_path / "c.mkv", 8)
    command = ("video", clip, "-o", "f/%03d.png", "-w", "fill", *whole)
    assert cli(*command).code == 0
    shorter = cli(*command, "--end", "5f")
    assert shorter.code == 0
    assert "3 more images of an earlier run were removed" in shorter.err
    assert sorted(p.name for p in (tmp_path / "f").glob("*.png")) == [
        f"{n:03d}.png" for n in range(1, 6)
    ]
    save(tmp_path / "f/006.png", np.zeros((8, 8), np.uint8))  # nobody vouches for it
    again = cli(*command, "--end", "5f")
    assert "006.png and what follows it are none of this run's" in again.err
    assert load(tmp_path / "f/006.png").shape[:2] == (8, 8)


@pytest.mark.parametrize("broken", [0, 2])
def test_a_damaged_image_is_reported_and_repeated(
    broken: int, cli: Cli, whole: tuple[str, ...], tmp_path: Path
) -> None:
    for number in range(4):
        save(tmp_path / f"in/{number}.png", np.full((120, 160, 3), 40 * number + 40, np.uint8))
    victim = tmp_path / f"in/{broken}.png"
    victim.write_bytes(victim.read_bytes()[:60])
    result = cli("video", "in/%d.png", "-o", "o.mkv", "-w", "fill", *whole)
    assert result.code == 0, result.err
    assert f"1 frame could not be decoded and repeat the one before ({broken}.png: " in result.err
    found = [frame.to_ndarray(format="rgb24").mean() for frame in read(tmp_path / "o.mkv").frames]
    wanted = {0: [80, 80, 120, 160], 2: [40, 80, 80, 160]}[broken]
    np.testing.assert_allclose(found, wanted, atol=1)


def test_no_image_that_can_be_read(cli: Cli, whole: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/1.png").write_bytes(b"\x89PNG")
    result = cli("video", "in", "-o", "o.mkv", "-w", "fill", *whole)
    assert result.code == 1
    assert "none of its images can be read" in result.err
