"""Reading TIFF files, of which every decoder reads another part; tifffile writes them."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mattecli.errors import ImageReadError
from mattecli.media.containers.tiff_tags import Tag, TagValues, read_directory, rewritten
from mattecli.media.images import probe, read_levels, read_picture
from tests.media_samples import ALPHA, FLOAT, GREY, RGB, RGBA, SIXTEEN, Pixels, pil, tiff


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("image", [SIXTEEN, FLOAT], ids=["16 bit", "float"])
def test_orientation_of_deep_tiffs(image: Pixels, orientation: int) -> None:
    tag = (274, "H", 1, orientation, True)
    data = tiff(image, photometric="rgb", extratags=[tag])
    layouts = {  # where row 0 and column 0 belong, straight from the TIFF specification's table
        1: image,
        2: image[:, ::-1],
        3: image[::-1, ::-1],
        4: image[::-1],
        5: image.swapaxes(0, 1),
        6: image.swapaxes(0, 1)[:, ::-1],
        7: image.swapaxes(0, 1)[::-1, ::-1],
        8: image.swapaxes(0, 1)[::-1],
    }
    np.testing.assert_array_equal(read_picture(data).color, layouts[orientation])


def test_fax_compression() -> None:
    bits = GREY > 120
    data = pil(Image.fromarray(bits), "TIFF", compression="group4")
    np.testing.assert_array_equal(read_levels(data), bits * 255)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"byteorder": ">"},
        {"bigtiff": True},
        {"compression": "zlib", "predictor": True, "rowsperstrip": 7},
        {"tile": (16, 16), "compression": "zlib"},
    ],
    ids=str,
)
@pytest.mark.parametrize("image", [RGB, SIXTEEN, FLOAT], ids=["8", "16", "float"])
def test_tiff_layouts(image: Pixels, options: dict[str, Any]) -> None:
    if image.dtype == np.float32 and "predictor" in options:
        options = {**options, "predictor": False}
    data = tiff(image, photometric="rgb", **options)
    picture = read_picture(data)
    assert picture.color.dtype == image.dtype
    np.testing.assert_array_equal(picture.color, image)


@pytest.mark.parametrize("image", [GREY, SIXTEEN[..., 0].copy()], ids=["8", "16"])
def test_tiff_with_white_as_zero(image: Pixels) -> None:
    white = np.iinfo(image.dtype).max
    data = tiff(image, photometric="miniswhite")
    np.testing.assert_array_equal(read_levels(data), white - image)


@pytest.mark.parametrize("kind", ["unassalpha", "unspecified"])
@pytest.mark.parametrize("scale", [1, 257], ids=["8", "16"])
def test_tiff_with_straight_alpha(kind: str, scale: int) -> None:
    image = RGBA.astype(np.uint16 if scale > 1 else np.uint8) * scale
    picture = read_picture(tiff(image, photometric="rgb", extrasamples=[kind]))
    np.testing.assert_array_equal(picture.color, image[..., :3])
    np.testing.assert_array_equal(picture.alpha, image[..., 3])


@pytest.mark.parametrize("scale", [1, 257], ids=["8", "16"])
def test_tiff_with_premultiplied_alpha_becomes_straight(scale: int) -> None:
    kind = np.uint16 if scale > 1 else np.uint8
    alpha = np.maximum(ALPHA, 16)
    straight = RGB.astype(float)
    stored = np.rint(np.dstack([straight * alpha[..., None] / 255, alpha]) * scale).astype(kind)
    picture = read_picture(tiff(stored, photometric="rgb", extrasamples=["assocalpha"]))
    # Half a stored level, divided by alpha, is the most that rounding can have taken.
    bound = 0.5 * 255 / alpha[..., None] + 0.5 * scale
    assert (np.abs(picture.color - straight * scale) <= bound + 1e-6).all()
    np.testing.assert_array_equal(picture.alpha, (alpha.astype(int) * scale).astype(kind))


def test_float_tiffs_keep_their_range() -> None:
    picture = read_picture(tiff(FLOAT.astype(np.float64), photometric="rgb"))
    assert picture.color.dtype == np.float32
    np.testing.assert_array_equal(picture.color, FLOAT)
    assert picture.color.max() > 1
    np.testing.assert_array_equal(read_levels(tiff(FLOAT[..., 0].copy())), FLOAT[..., 0])


@pytest.mark.parametrize(
    "data",
    [
        tiff(SIXTEEN.astype(np.int16), photometric="rgb"),
        tiff(SIXTEEN.astype(np.uint32), photometric="rgb"),
        tiff(np.moveaxis(SIXTEEN, 2, 0).copy(), photometric="rgb", planarconfig="separate"),
        tiff(np.zeros((8, 8, 5), np.uint8), photometric="rgb", extrasamples=[0, 0]),
        tiff(RGB, photometric="cielab"),
    ],
    ids=["signed", "32 bit", "planes", "five channels", "lab"],
)
def test_tiffs_that_decoders_would_garble_are_refused(data: bytes) -> None:
    with pytest.raises(ImageReadError, match="cannot be read; convert it"):
        read_picture(data)


@pytest.mark.parametrize(
    "data",
    [
        tiff(RGB, photometric="rgb", subfiletype=1),
        tiff(RGB, photometric="rgb", extratags=[(50706, "B", 4, b"\1\4\0\0", True)]),
        tiff(GREY, photometric="cfa", extratags=[(33421, "H", 2, (2, 2), True)]),
    ],
    ids=["reduced image", "DNG version", "filter array"],
)
def test_a_camera_raw_thumbnail_is_not_taken_for_the_photo(data: bytes) -> None:
    with pytest.raises(ImageReadError, match="camera raw"):
        read_picture(data)


def test_a_small_tiff_of_one_huge_tile_is_refused() -> None:
    whole = tiff(RGB, photometric="rgb", tile=(16, 16), metadata=None)
    directory = read_directory(whole)
    huge: dict[int, TagValues] = {
        tag: directory.shorts(60_000) for tag in (Tag.TILE_WIDTH, Tag.TILE_HEIGHT)
    }
    with pytest.raises(ImageReadError, match="tiles are larger than the picture"):
        read_picture(rewritten(whole, directory, huge))


def test_tiffs_whose_directories_are_chained_in_a_circle() -> None:
    whole = bytearray(tiff(RGB, photometric="rgb", metadata=None))
    (first,) = struct.unpack_from("<I", whole, 4)
    (count,) = struct.unpack_from("<H", whole, first)
    struct.pack_into("<I", whole, first + 2 + 12 * count, first)
    assert probe(bytes(whole)).frames == 1
    np.testing.assert_array_equal(read_picture(bytes(whole)).color, RGB)


def test_a_tiff_that_has_no_room_for_another_directory(tmp_path: Path) -> None:
    small = tiff(RGB, photometric="rgb", metadata=None)
    path = tmp_path / "large.tiff"
    with path.open("w+b") as stream:
        stream.write(small)
        stream.truncate(1 << 32)  # sparse: it takes no room
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            directory = read_directory(small)
            with pytest.raises(OverflowError, match="4 GiB"):
                rewritten(mapped, directory, {})  # type: ignore[arg-type]  # bytes, but mapped
