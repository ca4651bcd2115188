"""Writing images: pixels and profiles come back as they were."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from mattecli.errors import ImageReadError, ImageWriteError, UsageError
from mattecli.media.encode import encode_image
from mattecli.media.formats import EXTENSIONS, FORMATS, writable_format
from mattecli.media.images import probe, read_levels, read_picture
from tests.conftest import photo
from tests.media_samples import ALPHA, FLOAT, GREY, RGB, RGBA, SIXTEEN, SRGB, Pixels, exr
from tests.video_clips import ffmpeg

SIXTEEN_ALPHA = np.dstack([SIXTEEN, ALPHA.astype(np.uint16) * 257])
FLOAT_ALPHA = np.dstack([FLOAT, (ALPHA / 255).astype(np.float32)])
SHAPES = {
    "grey": GREY,
    "rgb": RGB,
    "rgba": RGBA,
    "grey 16": SIXTEEN[..., 0].copy(),
    "rgb 16": SIXTEEN,
    "rgba 16": SIXTEEN_ALPHA,
    "grey float": FLOAT[..., 0].copy(),
    "rgb float": FLOAT,
    "rgba float": FLOAT_ALPHA,
}
HOLDS = [
    *(("png", name) for name in SHAPES if "float" not in name),
    *(("tiff", name) for name in SHAPES),
    *(("webp", name) for name in ("grey", "rgb", "rgba")),
    *(("bmp", name) for name in ("grey", "rgb")),
]


def _assert_same(data: bytes, image: Pixels) -> None:
    if image.ndim == 2:
        np.testing.assert_array_equal(read_levels(data), image, strict=True)
        return
    picture = read_picture(data)
    np.testing.assert_array_equal(picture.color, image[..., :3], strict=True)
    if image.shape[2] == 4:
        np.testing.assert_array_equal(picture.alpha, image[..., 3], strict=True)
    else:
        assert picture.alpha is None


@pytest.mark.parametrize(("format", "name"), HOLDS)
def test_lossless_formats_come_back_equal(format: str, name: str) -> None:
    data = encode_image(SHAPES[name], format)
    _assert_same(data, SHAPES[name])
    assert probe(data).format == format


@settings(deadline=None)
@given(
    hnp.arrays(
        st.sampled_from((np.uint8, np.uint16)),
        st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from((3, 4))),
    )
)
def test_any_levels_come_back_from_png_and_tiff(image: Pixels) -> None:
    _assert_same(encode_image(image, "png"), image)
    _assert_same(encode_image(image, "tiff"), image)


def test_what_is_not_contiguous_is_written_as_it_looks() -> None:
    for image in (RGB[::-1, ::2], RGBA[:, ::-1], np.broadcast_to(GREY[:1], (9, 52))):
        for format in ("png", "tiff", "webp"):
            _assert_same(encode_image(image, format), image)


def test_other_programs_read_the_same() -> None:
    for format in ("png", "webp", "tiff"):
        opened = Image.open(io.BytesIO(encode_image(RGBA, format)))
        assert opened.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(opened), RGBA)
    with tifffile.TiffFile(io.BytesIO(encode_image(SIXTEEN_ALPHA, "tiff", icc=SRGB))) as deep:
        page = deep.pages.first
        assert page.shape == SIXTEEN_ALPHA.shape
        assert page.tags["ExtraSamples"].value == (2,)  # unassociated alpha


@pytest.mark.parametrize("extra", [0, 1, 2, 3, 70_000, 300_001])
@pytest.mark.parametrize("format", ["png", "tiff", "webp", "jpeg"])
@pytest.mark.parametrize("image", [RGB, RGBA], ids=["rgb", "rgba"])
def test_profiles_come_back_byte_for_byte(format: str, extra: int, image: Pixels) -> None:
    profile = SRGB + np.random.default_rng(1).bytes(extra)
    if format == "jpeg":
        image = image[..., :3]
    data = encode_image(image, format, icc=profile)
    assert read_picture(data).icc == profile
    assert Image.open(io.BytesIO(data)).info["icc_profile"] == profile
    if format != "jpeg":
        _assert_same(data, image)


@pytest.mark.parametrize("image", [SIXTEEN, SIXTEEN_ALPHA, FLOAT], ids=["rgb", "rgba", "float"])
def test_profiles_of_deep_images(image: Pixels) -> None:
    for format in ("png", "tiff") if image.dtype == np.uint16 else ("tiff",):
        data = encode_image(image, format, icc=SRGB)
        assert read_picture(data).icc == SRGB
        _assert_same(data, image)


@pytest.mark.parametrize("format", ["png", "tiff", "webp", "bmp", "jpeg"])
def test_profiles_are_left_out_where_they_cannot_be(format: str) -> None:
    assert encode_image(GREY, format, icc=SRGB) == encode_image(GREY, format)
    assert encode_image(RGB, "bmp", icc=SRGB) == encode_image(RGB, "bmp")


def test_jpeg_quality_and_colours() -> None:
    image = photo(200, 150)
    sizes, errors = [], []
    for quality in (30, 70, None, 100):
        data = encode_image(image, "jpg", quality=quality)
        sizes.append(len(data))
        errors.append(np.abs(read_picture(data).color.astype(int) - image).mean())
    assert sizes == sorted(sizes)
    assert errors == sorted(errors, reverse=True)
    assert errors[2] < 4


def test_no_chroma_is_subsampled() -> None:
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[:, ::2] = (255, 0, 0)
    stripes[:, 1::2] = (0, 0, 255)
    read = read_picture(encode_image(stripes, "jpeg")).color.astype(int)
    assert np.abs(read - stripes).mean() < 10


def test_lossy_webp_keeps_alpha() -> None:
    image = photo(200, 150)
    alpha = np.tile(np.arange(200, dtype=np.uint8), (150, 1))
    data = encode_image(np.dstack([image, alpha]), "webp", quality=80)
    assert len(data) < len(encode_image(np.dstack([image, alpha]), "webp")) / 2
    np.testing.assert_array_equal(read_picture(data).alpha, alpha)


@pytest.mark.parametrize(
    ("format", "name", "reason"),
    [
        ("png", "rgb float", r"cannot hold 32 bits.*write 8 or 16 bits, or choose tiff"),
        ("webp", "rgb 16", r"cannot hold 16 bits.*choose png or tiff"),
        ("jpeg", "grey 16", "cannot hold 16 bits"),
        ("bmp", "rgb float", "cannot hold 32 bits"),
        ("exr", "rgb", r"cannot hold 8 bits.*write 32 bits"),
        ("jpeg", "rgba", r"jpeg cannot hold alpha; choose png or tiff or webp"),
        ("bmp", "rgba", "cannot hold alpha"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(format: str, name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason):
        encode_image(SHAPES[name], format)


@pytest.mark.parametrize(
    "image",
    [np.zeros((4, 4, 2), np.uint8), np.zeros(4, np.uint8), np.zeros((4, 4), np.float64)],
    ids=str,
)
def test_what_is_no_image_is_refused(image: Pixels) -> None:
    with pytest.raises(UsageError):
        encode_image(image, "png")


@pytest.mark.parametrize("quality", [0, 101, -5])
def test_a_quality_out_of_range_is_refused(quality: int) -> None:
    with pytest.raises(UsageError, match="give 1 to 100"):
        encode_image(RGB, "jpeg", quality=quality)


@pytest.mark.parametrize(("format", "side"), [("webp", 16_384), ("jpeg", 65_501)])
def test_sides_beyond_a_format_are_refused(format: str, side: int) -> None:
    with pytest.raises(ImageWriteError, match=f"1x{side}; choose png or tiff"):
        encode_image(np.zeros((side, 1), np.uint8), format)
    assert probe(encode_image(np.zeros((side, 1), np.uint8), "png")).size == (1, side)


@pytest.mark.parametrize("name", ["gif", ".avif", "heic", "txt", "", "."])
def test_formats_that_are_not_written_are_named(name: str) -> None:
    with pytest.raises(UsageError, match=r"choose one of: \.png, \.tiff, \.webp, \.jpg"):
        encode_image(RGB, name)


def test_every_suffix_and_name_finds_its_format() -> None:
    for suffix, row in EXTENSIONS.items():
        assert suffix == suffix.lower()
        assert suffix in row.suffixes
        if row.depths:
            spellings = (suffix, suffix[1:], suffix.upper(), row.name)
            assert {writable_format(spelling) for spelling in spellings} == {row}
    assert set(FORMATS) == {row.name for row in EXTENSIONS.values()}


@pytest.mark.parametrize("name", [name for name in SHAPES if "float" in name])
def test_openexr_comes_back(name: str) -> None:
    image = SHAPES[name]
    data = encode_image(image, "exr")
    assert probe(data).format == "exr"
    if image.ndim == 2:
        np.testing.assert_array_equal(read_levels(data), image)
        return
    picture = read_picture(data)
    assert picture.color.dtype == np.float32
    if image.shape[2] == 3:
        np.testing.assert_array_equal(picture.color, image)
        return
    np.testing.assert_array_equal(picture.alpha, image[..., 3])
    seen = image[..., 3] > 0
    np.testing.assert_allclose(picture.color[seen], image[..., :3][seen], rtol=1e-5)


@pytest.mark.parametrize("name", [name for name in SHAPES if "float" in name])
@pytest.mark.parametrize("compression", ["none", "rle", "zip1", "zip16"])
def test_openexr_of_half_floats_is_read(name: str, compression: str, tmp_path: Path) -> None:
    """As most programs write it, and as numbered images of videos are."""
    image = SHAPES[name].astype(np.float16).astype(np.float32)
    layers = image.reshape(*image.shape[:2], -1)
    pixels, order = {
        1: ("grayf32le", (0,)),
        3: ("gbrpf32le", (1, 2, 0)),
        4: ("gbrapf32le", (1, 2, 0, 3)),
    }[layers.shape[2]]
    ffmpeg(
        "-f", "rawvideo", "-pix_fmt", pixels, "-s", "52x36", "-i", "pipe:0",
        "-format", "half", "-compression", compression, tmp_path / "half.exr",
        stdin=b"".join(layers[..., channel].tobytes() for channel in order),
    )  # fmt: skip
    data = (tmp_path / "half.exr").read_bytes()
    if image.ndim == 2:
        np.testing.assert_array_equal(read_levels(data), image)
        return
    picture = read_picture(data)
    if image.shape[2] == 3:
        np.testing.assert_array_equal(picture.color, image)
    else:
        np.testing.assert_array_equal(picture.alpha, image[..., 3])


def test_openexr_is_seen_through_its_display_window() -> None:
    """Pixels are stored for a part of the picture, the rest is empty."""
    data = bytearray(encode_image(FLOAT, "exr"))
    at = data.index(b"displayWindow\0box2i\0") + len(b"displayWindow\0box2i\0") + 4
    data[at : at + 16] = struct.pack("<4i", 0, 0, 59, 39)
    assert probe(bytes(data)).size == (60, 40)
    picture = read_picture(bytes(data))
    np.testing.assert_array_equal(picture.color[:36, :52], FLOAT)
    assert not picture.color[36:].any()
    assert not picture.color[:, 52:].any()


def test_damaged_openexr_is_refused() -> None:
    data = encode_image(FLOAT, "exr")
    for length in (8, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(ImageReadError):
            read_picture(data[:length])
    assert probe(exr(20, 10)).size == (20, 10)
    parts = data[:5] + bytes([data[5] | 0x10]) + data[6:]
    with pytest.raises(ImageReadError, match="several parts"):
        read_picture(parts)
    with pytest.raises(ImageReadError):
        read_picture(exr(20, 10))
