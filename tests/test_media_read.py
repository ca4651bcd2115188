"""Reading images: every kind of pixels, upright, against Pillow and tifffile as oracles."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageOps

from mattecli.errors import ImageReadError
from mattecli.media.decode import jpeg_reduction
from mattecli.media.images import probe, read_levels, read_picture
from mattecli.records import Size
from tests.conftest import photo

Pixels = npt.NDArray[Any]

RGB = photo(52, 36)
GREY = np.ascontiguousarray(RGB[..., 1])
ALPHA = np.tile(np.linspace(0, 255, 52).astype(np.uint8), (36, 1))
RGBA = np.dstack([RGB, ALPHA])
SIXTEEN = RGB.astype(np.uint16) * 201 + np.arange(36, dtype=np.uint16)[:, None, None]
FLOAT = (SIXTEEN / np.float32(40000)).astype(np.float32)  # exceeds 1 in places
HAS_AVIF = "AVIF" in Image.registered_extensions().values()
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
"""A small RGB profile; tests that need another append to it."""


def pil(image: Image.Image | Pixels, format: str, **options: Any) -> bytes:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def tiff(image: Pixels, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, image, **options)
    return stream.getvalue()


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


LOSSLESS: dict[str, dict[str, Any]] = {
    "PNG": {},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {"lossless": True, "exact": True},
    "BMP": {},
}


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


@pytest.mark.parametrize("format", LOSSLESS)
def test_rgb_is_kept(format: str) -> None:
    picture = read_picture(pil(RGB, format, **LOSSLESS[format]))
    np.testing.assert_array_equal(picture.color, RGB)
    assert picture.alpha is None
    assert not picture.is_reduced


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
    np.testing.assert_array_equal(read.alpha, np.where((key == RGB).all(axis=2), 0, 255))
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

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    at, out = 8, palette[:8]
    while at < len(palette):
        (length,) = struct.unpack_from(">I", palette, at)
        name, body = palette[at + 4 : at + 8], palette[at + 8 : at + 8 + length]
        if name == b"IHDR":
            out += chunk(name, body[:9] + b"\0" + body[10:])
        elif name == b"PLTE":
            out += chunk(b"tRNS", b"\0\1")
        elif name != b"tRNS":
            out += chunk(name, body)
        at += 12 + length
    return out


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
def test_one_bit(format: str) -> None:
    bits = GREY > 120
    np.testing.assert_array_equal(read_levels(pil(Image.fromarray(bits), format)), bits * 255)


def test_fax_compression() -> None:
    bits = GREY > 120
    data = pil(Image.fromarray(bits), "TIFF", compression="group4")
    np.testing.assert_array_equal(read_levels(data), bits * 255)


def test_16_bit_png_stays() -> None:
    _, encoded = cv2.imencode(".png", np.ascontiguousarray(SIXTEEN[..., ::-1]))
    picture = read_picture(encoded.tobytes())
    assert picture.bit_depth == 16
    np.testing.assert_array_equal(picture.color, SIXTEEN)
    grey = pil(Image.fromarray(SIXTEEN[..., 0].copy()), "PNG")
    np.testing.assert_array_equal(read_levels(grey), SIXTEEN[..., 0])


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


@pytest.mark.parametrize("format", ["TIFF", "BMP", "JPEG", "PNG"])
def test_no_bound_of_pillow_stands_in_the_way(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    inks = Image.fromarray(RGB).convert("CMYK" if format == "JPEG" else "RGB")
    data = pil(inks, format)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert read_picture(data).full == Size(52, 36)


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
    np.testing.assert_array_equal(picture.alpha, alpha.astype(kind) * kind(scale))


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

    monkeypatch.setattr(ImageCms, "profileToProfile", through)
    picture = read_picture(data)
    assert used == [SRGB]
    assert (picture.color == (1, 2, 3)).all()
    assert picture.icc is None


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


def test_a_reduced_jpeg_is_upright() -> None:
    data = pil(photo(400, 240), "JPEG", exif=exif(6))
    picture = read_picture(data, short_side=60)
    assert picture.full == Size(240, 400)
    assert Size.of(picture.color) == Size(60, 100)
    assert picture.is_reduced


def test_grey_jpegs_reduced_and_full() -> None:
    data = pil(photo(400, 240)[..., 0].copy(), "JPEG")
    assert read_picture(data, short_side=60).color.shape == (60, 100, 3)
    expected = np.asarray(Image.open(io.BytesIO(data)))
    assert np.abs(read_levels(data).astype(int) - expected).max() <= 1


def test_only_jpegs_are_reduced() -> None:
    assert not read_picture(pil(photo(400, 240), "PNG"), short_side=10).is_reduced


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


@pytest.mark.skipif(not HAS_AVIF, reason="this Pillow has no AVIF")
def test_avif_with_orientation() -> None:
    data = pil(RGB, "AVIF", quality=100, subsampling="4:4:4", exif=exif(6))
    picture = read_picture(data)
    assert picture.full == Size(36, 52)
    assert np.abs(picture.color.astype(int) - np.rot90(RGB, -1)).mean() < 4


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
