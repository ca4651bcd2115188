"""Orientation is applied exactly once, against Pillow as oracle; hostile EXIF is harmless."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from mattecli.media.images import probe, read_picture
from mattecli.records import Size
from tests.conftest import photo
from tests.media_samples import HAS_AVIF, HAS_HEIC, RGB, RGBA, exif, heic, pil


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_orientation_is_applied_once(format: str, orientation: int) -> None:
    data = pil(RGBA if format != "JPEG" else RGB, format, exif=exif(orientation))
    opened = Image.open(io.BytesIO(data))
    expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    picture = read_picture(data)
    # Two JPEG and WebP decoders differ by rounding alone.
    assert np.abs(picture.color.astype(int) - expected).max() <= (0 if format == "PNG" else 3)
    assert picture.full == Size(*expected.shape[1::-1]) == probe(data).size
    assert probe(data).orientation == orientation
    assert picture.color.flags.c_contiguous
    if picture.alpha is not None:
        alpha = np.asarray(ImageOps.exif_transpose(opened).getchannel("A"))
        np.testing.assert_array_equal(picture.alpha, alpha)


def test_orientation_of_a_late_png_chunk() -> None:
    early = pil(RGB, "PNG", exif=exif(6))
    at = early.index(b"eXIf") - 4
    length = 12 + int.from_bytes(early[at : at + 4], "big")
    chunk, rest = early[at : at + length], early[:at] + early[at + length :]
    late = rest[:-12] + chunk + rest[-12:]
    np.testing.assert_array_equal(read_picture(late).color, np.rot90(RGB, -1))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_orientation_that_makes_no_sense_is_none(value: int) -> None:
    np.testing.assert_array_equal(read_picture(pil(RGB, "PNG", exif=exif(value))).color, RGB)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_hostile_exif_is_harmless(block: bytes) -> None:
    for head in (b"", b"Exif\0\0", b"Exif\0\0II*\0\x08\0\0\0", b"Exif\0\0MM\0*\0\0\0\x08"):
        data = pil(RGB, "PNG", exif=head + block) if head + block else pil(RGB, "PNG")
        assert read_picture(data).full in (Size(52, 36), Size(36, 52))


def test_a_reduced_jpeg_is_upright() -> None:
    data = pil(photo(400, 240), "JPEG", exif=exif(6))
    picture = read_picture(data, short_side=60)
    assert picture.full == Size(240, 400)
    assert Size.of(picture.color) == Size(60, 100)


@pytest.mark.skipif(not HAS_AVIF, reason="this Pillow has no AVIF")
def test_avif_with_orientation() -> None:
    data = pil(RGB, "AVIF", quality=100, subsampling="4:4:4", exif=exif(6))
    picture = read_picture(data)
    assert picture.full == Size(36, 52)
    assert np.abs(picture.color.astype(int) - np.rot90(RGB, -1)).mean() < 4


@pytest.mark.skipif(not HAS_HEIC, reason="pillow-heif is not installed")
@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_with_orientation(orientation: int) -> None:
    """Its turn is a property of the container; what its EXIF block repeats is not obeyed."""
    stored = Image.fromarray(RGB)
    shown = ImageOps.exif_transpose(_turned(stored, orientation))
    picture = read_picture(heic(RGB, exif=exif(orientation)))
    assert picture.full == shown.size
    assert np.abs(picture.color.astype(int) - np.asarray(shown)).mean() < 4


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    return Image.open(io.BytesIO(pil(image, "PNG", exif=exif(orientation))))
