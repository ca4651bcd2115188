"""What stands behind a composite: its end, and its shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.conftest import Cli, outputs_in, save
from tests.video_clips import ffmpeg, make_clip, read, take_all

SIZE = (160, 120)
FAST = ("-c:v", "libx264", "-preset", "ultrafast", "-qp", "0")
TAGS = (
    "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setparams=colorspace=bt709:range=tv"
)


def test_a_trimmed_composite_has_no_sound_beyond_its_pictures(cli: Cli, tmp_path: Path) -> None:
    whole = take_all(tmp_path, SIZE)
    clip = make_clip(
        tmp_path / "c.mp4", *FAST, frames=50, size=SIZE, filters=TAGS, sound=("-c:a", "aac")
    )
    make_clip(tmp_path / "bg.mp4", *FAST, frames=20, size=SIZE, filters=TAGS)
    for name in ("o.mp4", "o.mkv"):
        result = cli(
            "video", clip, "-o", name, "-w", "composite", *whole,
            "--background-fill", "bg.mp4", "--background-end", "trim",
        )  # fmt: skip
        assert result.code == 0, result.err
        found = read(tmp_path / name)
        assert len(found.frames) == 20
        assert 0.76 <= len(found.audio) * 1024 / 48000 <= 0.85


def disk(path: Path, size: tuple[int, int], squeeze: float) -> Path:
    """A white disk on black that is round where samples are ``squeeze`` times as wide as high."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    inside = np.hypot((x + 0.5 - size[0] / 2) * squeeze, y + 0.5 - size[1] / 2) < size[1] * 0.15
    save(path, np.dstack([np.where(inside, 255, 0).astype(np.uint8)] * 3))
    return path


@pytest.mark.parametrize("background", ["still", "moving", "anamorphic"])
@pytest.mark.parametrize("fit", ["cover", "contain"])
def test_a_disk_stays_round_behind_an_anamorphic_clip(
    background: str, fit: str, cli: Cli, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "c.mkv", *FAST, frames=2, size=SIZE, filters=f"{TAGS},setsar=2/1")
    save(tmp_path / "none.png", np.zeros((SIZE[1], SIZE[0]), np.uint8))
    aspect = 0.5 if background == "anamorphic" else 1.0
    given = disk(tmp_path / "bg.png", (240, 120), aspect)
    if background != "still":
        filters = f"{TAGS},setsar={'1/2' if aspect == 0.5 else '1/1'}"
        ffmpeg(
            "-loop", "1", "-i", given, "-frames:v", "3", "-vf", filters, *FAST, tmp_path / "b.mkv"
        )
        given = tmp_path / "b.mkv"
    result = cli(
        "video", clip, "-o", "o.mkv", "-w", "composite", "--background-fill", given, "--fit", fit,
        "--model", "closed-form", "--foreground", "none", "--trimap", "none.png",
    )  # fmt: skip
    assert result.code == 0, result.err
    found = read(tmp_path / "o.mkv")
    assert found.aspect == 2
    light = found.frames[-1].to_ndarray(format="rgb24")[..., 1] > 128
    width, height = 2 * light.any(0).sum(), light.any(1).sum()
    assert height > 20
    assert abs(width - height) <= 5


def test_a_background_alone_asks_for_a_composite(cli: Cli, tmp_path: Path) -> None:
    whole = take_all(tmp_path, SIZE)
    save(tmp_path / "all.png", np.zeros((SIZE[1], SIZE[0]), np.uint8))  # all background, then
    clip = make_clip(tmp_path / "c.mp4", *FAST, frames=2, size=SIZE, filters=TAGS)
    for fill, colour in ((("--background-fill", "green"), (0, 128, 0)), ((), (255, 255, 255))):
        kinds = () if fill else ("-w", "composite")
        result = cli("video", clip, "-o", "o.mp4", *kinds, *fill, *whole)
        assert result.code == 0, result.err
        found = read(tmp_path / "o.mp4").frames[0].to_ndarray(format="rgb24").mean((0, 1))
        np.testing.assert_allclose(found, colour, atol=3)
    for fill, names in (
        (("--background-fill", "green"), ["c-composite.mp4", "c-foreground.mov"]),
        ((), ["c-foreground.mov"]),
    ):
        out = "with" if fill else "without"
        assert cli("video", clip, "-o", out, *fill, *whole).code == 0
        assert [path.name for path in outputs_in(tmp_path / out)] == names
    told = cli("video", clip, "-o", "a.mp4", "-w", "alpha", "--background-fill", "green", *whole)
    assert "without effect on what is written: --background-fill" in told.err
