"""Reading images: every kind of pixels, upright, against Pillow as oracle."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from mattecli.errors import ImageReadError
from mattecli.media.decode import decode_planes, jpeg_reduction
from mattecli.media.headers import read_header
from mattecli.media.images import probe, read_levels, read_picture
from mattecli.records import Size
from tests.conftest import photo
from tests.media_samples import (
    ALPHA,
    GREY,
    RGB,
    RGBA,
    SIXTEEN,
    SRGB,
    Pixels,
    pil,
    png_chunk,
)

LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {"lossless": True, "exact": True},
    "BMP": {},
}


@pytest.mark.parametrize("format", LOSSLESS)
def test_rgb_is_kept(format: str) -> None:
    picture = read_picture(pil(RGB, format, **LOSSLESS[format]))
    np.testing.assert_array_equal(picture.color, RGB)
    assert picture.alpha is None
    assert picture.full == Size.of(RGB)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_rgba_keeps_colours_under_alpha(format: str) -> None:
    picture = read_picture(pil(RGBA, format, **LOSSLESS[format]))
    np.testing.assert_array_equal(picture.color, RGB)
    np.testing.assert_array_equal(picture.alpha, ALPHA)
    np.testing.assert_array_equal(read_levels(pil(RGBA, format, **LOSSLESS[format])), ALPHA)


@pytest.mark.parametrize("format", LOSSLESS)
def test_grey_becomes_equal_channels(format: str) -> None:
    data = pil(GREY, format, **LOSSLESS[format])
    np.testing.assert_array_equal(read_picture(data).color, np.dstack([GREY] * 3))
    np.testing.assert_array_equal(read_levels(data), GREY)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_grey_with_alpha(format: str) -> None:
    picture = Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)])
    read = read_picture(pil(picture, format))
    np.testing.assert_array_equal(read.color, np.dstack([GREY] * 3))
    np.testing.assert_array_equal(read.alpha, ALPHA)
    np.testing.assert_array_equal(read_levels(pil(picture, format)), ALPHA)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "GIF"])
def test_palette(format: str) -> None:
    indexed = Image.fromarray(RGB).quantize(32)
    expected = np.asarray(indexed.convert("RGB"))
    np.testing.assert_array_equal(read_picture(pil(indexed, format)).color, expected)


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_palette_with_transparent_entry(format: str) -> None:
    indexed = Image.fromarray(RGB).quantize(8)
    data = pil(indexed, format, transparency=3)
    alpha = np.where(np.asarray(indexed) == 3, 0, 255)
    np.testing.assert_array_equal(read_picture(data).alpha, alpha)
    np.testing.assert_array_equal(read_levels(data), alpha)


def test_png_with_a_transparent_colour() -> None:
    key = tuple(int(value) for value in RGB[3, 5])
    read = read_picture(pil(RGB, "PNG", transparency=key))
    np.testing.assert_array_equal(read.alpha, np.where(np.all(key == RGB, axis=2), 0, 255))
    np.testing.assert_array_equal(read.color, RGB)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_png_with_a_transparent_grey(bits: int) -> None:
    values = GREY >> (8 - bits)
    indexed = Image.fromarray(values)
    indexed.putpalette(bytes(3 * 2**bits))
    picture = read_picture(_as_grey_png(pil(indexed, "PNG", bits=bits)))
    np.testing.assert_array_equal(picture.color[..., 0], values.astype(int) * 255 // (2**bits - 1))
    np.testing.assert_array_equal(picture.alpha, np.where(values == 1, 0, 255))


def _as_grey_png(palette: bytes) -> bytes:
    """A palette PNG as a grey one (colour type 0) in which the value 1 is transparent."""

    at, out = 8, palette[:8]
    while at < len(palette):
        (length,) = struct.unpack_from(">I", palette, at)
        name, body = palette[at + 4 : at + 8], palette[at + 8 : at + 8 + length]
        if name == b"IHDR":
            out += png_chunk(name, body[:9] + b"\0" + body[10:])
        elif name == b"PLTE":
            out += png_chunk(b"tRNS", b"\0\1")
        elif name != b"tRNS":
            out += png_chunk(name, body)
        at += 12 + length
    return out


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_one_bit(format: str) -> None:
    bits = GREY > 120
    np.testing.assert_array_equal(read_levels(pil(Image.fromarray(bits), format)), bits * 255)


def test_16_bit_png_stays() -> None:
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(SIXTEEN[..., ::-1]))
    picture = read_picture(encoded.tobytes())
    assert picture.bit_depth == 16
    np.testing.assert_array_equal(picture.color, SIXTEEN)
    grey = pil(Image.fromarray(SIXTEEN[..., 0].copy()), "PNG")
    np.testing.assert_array_equal(read_levels(grey), SIXTEEN[..., 0])


@pytest.mark.parametrize("format", ["TIFF", "BMP", "JPEG", "PNG"])
def test_no_bound_of_pillow_stands_in_the_way(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inks = Image.fromarray(RGB).convert("CMYK" if format == "JPEG" else "RGB")
    data = pil(inks, format)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_picture(data).full == Size(52, 36)


def test_cmyk_without_profile() -> None:
    inks = Image.fromarray(RGB).convert("CMYK")
    expected = np.asarray(inks.convert("RGB"))
    tif = read_picture(pil(inks, "TIFF"))
    np.testing.assert_array_equal(tif.color, expected)
    jpeg = read_picture(pil(inks, "JPEG", quality=100, subsampling=0))  # Adobe's, inverted
    assert np.abs(jpeg.color.astype(int) - expected).mean() < 2
    assert jpeg.icc is None


def test_cmyk_goes_through_its_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    inks = Image.fromarray(RGB).convert("CMYK")
    data = pil(inks, "JPEG", quality=100, icc_profile=SRGB)  # not for CMYK: the formula serves
    np.testing.assert_array_equal(
        read_picture(data).color, read_picture(pil(inks, "JPEG", quality=100)).color
    )
    used = []

    def through(image: Image.Image, profile: Any, *_: Any, **__: Any) -> Image.Image:
        used.append(profile.tobytes())
        return Image.new("RGB", image.size, (1, 2, 3))

    assert read_picture(data).icc is None
    monkeypatch.setattr(ImageCms, "profileToProfile", through)
    planes = decode_planes(data, read_header(data))  # as the child process does
    assert used == [SRGB]
    assert (planes.color == (1, 2, 3)).all()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("extra", [0, 1, 150_001], ids=["small", "odd", "large"])
def test_the_profile_is_handed_out_unchanged(format: str, extra: int) -> None:
    profile = SRGB + np.random.default_rng(0).bytes(extra)
    data = pil(RGB, format, icc_profile=profile)
    assert read_picture(data).icc == profile
    assert probe(data).icc == profile


def test_a_grey_profile_does_not_stay_on_rgb() -> None:
    profile = SRGB[:16] + b"GRAY" + SRGB[20:]
    data = pil(GREY, "PNG", icc_profile=profile)
    assert probe(data).icc == profile
    assert read_picture(data).icc is None


@pytest.mark.parametrize("size", [(801, 603), (800, 600), (17, 5000)])
@pytest.mark.parametrize("short_side", [1, 74, 75, 76, 150, 151, 302, 603, 5000])
def test_jpegs_are_decoded_as_small_as_suffices(size: tuple[int, int], short_side: int) -> None:
    data = pil(photo(*size), "JPEG")
    picture = read_picture(data, short_side=short_side)
    full = read_picture(data)
    assert picture.full == full.full == Size(*size)
    reduced = Size.of(picture.color)
    scales = [1, 2, 4, 8]
    shorter = {by: -(-min(size) // by) for by in scales}
    best = max([by for by in scales if shorter[by] >= short_side], default=1)
    assert min(reduced) == shorter[best]
    assert jpeg_reduction(probe(data), short_side) == best
    if min(reduced) > 30:  # of narrower ones the codec's blocks are most
        small = cv2.resize(full.color, reduced, interpolation=cv2.INTER_AREA)
        assert np.abs(picture.color.astype(int) - small).mean() < 4


def test_grey_jpegs_reduced_and_full() -> None:
    data = pil(photo(400, 240)[..., 0].copy(), "JPEG")
    assert read_picture(data, short_side=60).color.shape == (60, 100, 3)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    assert np.abs(read_levels(data).astype(int) - expected).max() <= 1


def test_only_jpegs_are_reduced() -> None:
    picture = read_picture(pil(photo(400, 240), "PNG"), short_side=10)
    assert Size.of(picture.color) == picture.full == Size(400, 240)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "TIFF"])
def test_the_first_frame_counts(format: str) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "lime", "blue")]
    data = pil(frames[0], format, save_all=True, append_images=frames[1:])
    assert probe(data).frames == 3
    color = read_picture(data).color.astype(int)
    assert np.abs(color - (255, 0, 0)).max() <= 4


def test_an_animation_of_one_frame() -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    both = pil(frames[0], "WEBP", save_all=True, append_images=frames[1:])
    first = both[: both.rindex(b"ANMF")]
    data = b"RIFF" + struct.pack("<I", len(first) - 8) + first[8:]
    assert probe(data).frames == 1
    assert np.abs(read_picture(data).color.astype(int) - (255, 0, 0)).max() <= 4


def test_masks_with_a_needless_alpha_channel() -> None:
    opaque = np.full_like(ALPHA, 255)
    grey = np.dstack([GREY, GREY, GREY, opaque])
    np.testing.assert_array_equal(read_levels(pil(grey, "PNG")), GREY)
    colour = np.dstack([RGB, opaque])
    np.testing.assert_array_equal(read_levels(pil(colour, "PNG")), opaque)


def test_luma_of_equal_channels_is_their_value() -> None:
    for kind in (np.uint8, np.uint16):
        values = np.arange(np.iinfo(kind).max + 1).astype(kind).reshape(256, -1)
        _, encoded = cv2.imencode(".png", np.dstack([values] * 3))
        np.testing.assert_array_equal(read_levels(encoded.tobytes()), values)


def test_a_wrong_extension_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "really-a-png.jpg"
    path.write_bytes(pil(RGB, "PNG"))
    np.testing.assert_array_equal(read_picture(path).color, RGB)
    assert probe(path).format == "png"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "GIF", "BMP"])
def test_probing_a_file_says_what_its_bytes_say(format: str, tmp_path: Path) -> None:
    data = pil(photo(700, 500), format)
    padded = data + bytes(1 << 19)  # so that the start is not the whole
    path = tmp_path / "file"
    for content in (data, padded):
        path.write_bytes(content)
        assert probe(path) == probe(content)


@pytest.mark.parametrize("image", [RGB, GREY, SIXTEEN, SIXTEEN[..., 1]], ids=lambda i: str(i.shape))
def test_portable_any_maps(image: Pixels) -> None:
    """What ``ffmpeg -f image2pipe -c:v ppm`` and netpbm write; OpenCV as the oracle."""
    stored = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    data = cv2.imencode(".ppm" if image.ndim == 3 else ".pgm", stored)[1].tobytes()
    expected = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    picture = read_picture(data)
    assert picture.color.dtype == image.dtype
    np.testing.assert_array_equal(picture.color, expected)
    for length in (0, 1, 5, 12, len(data) // 2, len(data) - 1):
        with pytest.raises(ImageReadError):
            read_picture(data[:length])


def test_other_kinds_of_any_maps() -> None:
    plain = b"P3 # a comment\n2 1\n# another\n100\n100 0 0  0 50 0\n"
    np.testing.assert_array_equal(read_picture(plain).color, [[[255, 0, 0], [0, 128, 0]]])
    few = b"P5 3 1 100\n" + bytes((0, 50, 100))
    np.testing.assert_array_equal(read_levels(few), [[0, 128, 255]])
    ten_bits = b"P5\n2 1\n1023\n" + struct.pack(">2H", 1023, 512)
    np.testing.assert_array_equal(read_levels(ten_bits), [[65535, 32800]])
    bitmap = pil(Image.fromarray(GREY).convert("1"), "PPM")
    assert set(np.unique(read_levels(bitmap))) == {0, 255}
    for wrong in (b"P5 0 1 255\n", b"P5 1 1 0\n\0", b"P5 1 1 70000\n\0\0", b"P6 x"):
        with pytest.raises(ImageReadError):
            read_picture(wrong)
