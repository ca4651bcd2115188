"""Pixels in and out: orientation, profiles, depths, kinds of files, and the composite identity."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from tests.conftest import PICTURES, Cli, load, photo, save

PHOTO = photo(80, 56, seed=5)
TRIMAP = np.full((56, 80), 128, np.uint8)
TRIMAP[:12], TRIMAP[40:, 30:60] = 0, 255


def wide_gamut() -> bytes:
    """A matrix profile that is not sRGB, with bytes enough to need more than one JPEG segment."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile += np.random.default_rng(1).integers(0, 256, 70_000, dtype=np.uint8).tobytes()
    profile[0:4] = len(profile).to_bytes(4, "big")
    return bytes(profile)


@pytest.fixture
def solve(cli: Cli, tmp_path: Path) -> Cli:
    """Cut out one file with its trimap by closed-form."""

    def run(source: str, *arguments: str) -> object:
        save(tmp_path / "trimap.png", TRIMAP)
        done = cli("matte", source, "--model", "closed-form", "--trimap", "trimap.png", *arguments)
        assert done.code == 0, done.err
        return done

    return run


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tiff", ".webp"])
def test_exif_orientation_is_applied_once(
    solve: Cli, tmp_path: Path, orientation: int, suffix: str
) -> None:
    upright = Image.fromarray(PHOTO)
    undo = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[orientation]
    exif = Image.Exif()
    exif[0x0112] = undo
    turned = ImageOps.exif_transpose(_with_exif(upright, exif))
    exif[0x0112] = orientation
    turned.save(tmp_path / f"p{suffix}", exif=exif, quality=100, lossless=True)
    solve(f"p{suffix}")
    cutout = Image.open(tmp_path / "mattes" / "p-foreground.png")
    assert cutout.size == (80, 56)
    assert cutout.getexif().get(0x0112, 1) == 1
    inside = TRIMAP == 255
    difference = np.abs(np.asarray(cutout)[..., :3].astype(int) - PHOTO.astype(int))[inside]
    assert difference.mean() < (6 if suffix == ".jpg" else 1e-9)
    alpha = load(tmp_path / "mattes" / "p-alpha.png")
    assert (alpha[TRIMAP == 255] == 255).all()
    assert (alpha[TRIMAP == 0] == 0).all()


def _with_exif(image: Image.Image, exif: Image.Exif) -> Image.Image:
    held = io.BytesIO()
    image.save(held, "PNG", exif=exif)
    return Image.open(held)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tiff", ".webp"])
@pytest.mark.parametrize("written", ["png", "tiff", "webp"])
def test_the_icc_profile_travels_byte_for_byte_to_colours_and_never_to_alpha(
    solve: Cli, tmp_path: Path, suffix: str, written: str
) -> None:
    profile = wide_gamut()
    Image.fromarray(PHOTO).save(tmp_path / f"p{suffix}", icc_profile=profile)
    solve(f"p{suffix}", "--format", written)
    end = "." + written
    with Image.open(tmp_path / "mattes" / f"p-foreground{end}") as colours:
        assert colours.info["icc_profile"] == profile
    with Image.open(tmp_path / "mattes" / f"p-alpha{end}") as alpha:
        assert "icc_profile" not in alpha.info


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_in_and_out(solve: Cli, tmp_path: Path, suffix: str) -> None:
    deep = PHOTO.astype(np.uint16) * 257 + 99
    save(tmp_path / f"p{suffix}", deep)
    solve(f"p{suffix}", "--format", suffix[1:])
    alpha = load(tmp_path / "mattes" / f"p-alpha{suffix}")
    cutout = load(tmp_path / "mattes" / f"p-foreground{suffix}")
    assert alpha.dtype == cutout.dtype == np.uint16
    assert np.array_equal(cutout[..., :3][TRIMAP == 255], deep[TRIMAP == 255])
    assert len(np.unique(alpha % 257)) > 50, "the alpha has 8-bit steps"


def test_cmyk_is_converted_and_its_profile_dropped(solve: Cli, tmp_path: Path) -> None:
    Image.fromarray(PHOTO).convert("CMYK").save(tmp_path / "p.jpg", quality=98)
    solve("p.jpg")
    cutout = Image.open(tmp_path / "mattes" / "p-foreground.png")
    difference = np.abs(np.asarray(cutout)[..., :3].astype(int) - PHOTO.astype(int))
    assert difference[TRIMAP == 255].mean() < 6
    assert "icc_profile" not in cutout.info


@pytest.mark.parametrize("mode", ["L", "LA", "P", "1", "RGBA", "I;16"])
def test_other_modes_are_read(solve: Cli, tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        grey = PHOTO[..., 0].astype(np.uint16) * 257
        Image.fromarray(grey).save(tmp_path / "p.png")
    else:
        Image.fromarray(PHOTO).convert(mode).save(tmp_path / "p.png")
    solve("p.png")
    cutout = load(tmp_path / "mattes" / "p-foreground.png")
    assert cutout.shape == (56, 80, 4)
    if mode == "L":
        expected = np.asarray(Image.fromarray(PHOTO).convert("L"))
        assert np.array_equal(cutout[..., 0][TRIMAP == 255], expected[TRIMAP == 255])


def test_a_wrong_extension_over_a_good_image_is_read(solve: Cli, tmp_path: Path) -> None:
    save(tmp_path / "p.png", PHOTO).rename(tmp_path / "p.jpg")
    solve("p.jpg")
    cutout = load(tmp_path / "mattes" / "p-foreground.png")
    assert np.array_equal(cutout[..., :3][TRIMAP == 255], PHOTO[TRIMAP == 255])


def test_foreground_and_alpha_over_some_background_give_the_photo_back() -> None:
    """To within one 8-bit level: the nearest background that colours allow is enough."""
    from mattecli.models.classical import solve as closed_form
    from mattecli.ops.foreground import decontaminated
    from mattecli.ops.pixels import to_levels
    from mattecli.ops.trimap import TrimapOptions, make_trimap

    for stem in ("astronaut", "chelsea"):
        source = load(PICTURES / "photos" / f"{stem}.jpg")
        mask = load(PICTURES / "masks" / f"{stem}.png")
        trimap = make_trimap(mask, TrimapOptions(dilate=9, erode=7))
        alpha = to_levels(closed_form("closed-form", source, trimap)).astype(np.float64) / 255
        for method in ("multilevel", "blur-fusion"):
            found = decontaminated(source, alpha.astype(np.float32), method)
            share = alpha[..., None]
            left = source - share * found
            difference = np.abs(left - np.clip(left, 0, (1 - share) * 255))
            band = (alpha > 0) & (alpha < 1)
            assert difference.mean() < 0.5
            assert difference[band].mean() < 1


def test_float_tiff_is_read(solve: Cli, tmp_path: Path) -> None:
    ok, data = cv2.imencode(".tiff", (PHOTO[..., ::-1] / 255).astype(np.float32))
    assert ok
    (tmp_path / "p.tiff").write_bytes(data.tobytes())
    solve("p.tiff")
    cutout = load(tmp_path / "mattes" / "p-foreground.png")
    assert cutout.dtype == np.uint16
    inside = cutout[..., :3][TRIMAP == 255] / 65535 - PHOTO[TRIMAP == 255] / 255
    assert np.abs(inside).max() < 1e-4
