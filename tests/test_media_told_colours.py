"""What files tell of their colours otherwise than by profile, and of their resolution; HEIC."""

from __future__ import annotations

import io
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from mattecli.errors import ImageReadError
from mattecli.media import pillow_codecs
from mattecli.media.containers.profiles import ADOBE_RGB, ADOBE_RGB_GAMMA, matrix_profile
from mattecli.media.encode import encode_image
from mattecli.media.images import probe, read_matte, read_picture
from mattecli.records import Resolution
from tests.conftest import Cli
from tests.media_samples import (
    GREY,
    HAS_AVIF,
    HAS_HEIC,
    RGB,
    RGBA,
    SIXTEEN,
    SRGB,
    Pixels,
    exif,
    heic,
    pil,
    png_chunk,
)

PNG_HEADER_END = 33
EXIF_DIRECTORY, INTEROPERABILITY, X_RESOLUTION, Y_RESOLUTION, UNIT = 34665, 40965, 282, 283, 296


def adobe_rgb_exif(index: str = "R03") -> bytes:
    block = Image.Exif()
    block[EXIF_DIRECTORY] = {0xA001: 0xFFFF, INTEROPERABILITY: {1: index}}
    return block.tobytes()


def with_chunks(png: bytes, *chunks: bytes) -> bytes:
    return png[:PNG_HEADER_END] + b"".join(chunks) + png[PNG_HEADER_END:]


def gama(power: float) -> bytes:
    return png_chunk(b"gAMA", struct.pack(">I", round(100_000 / power)))


def chrm(*numbers: float) -> bytes:
    return png_chunk(b"cHRM", struct.pack(">8I", *(round(number * 100_000) for number in numbers)))


WIDE = (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
NARROW = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)


def in_srgb(pixels: Pixels, icc: bytes) -> Pixels:
    """By LittleCMS, as programs show it."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    shown = ImageCms.profileToProfile(
        Image.fromarray(pixels), source, ImageCms.createProfile("sRGB"), renderingIntent=1
    )
    assert shown is not None
    return np.asarray(shown)


def expected_in_srgb(pixels: Pixels, power: float, primaries: tuple[float, ...]) -> Pixels:
    """By the formulas of IEC 61966-2-1, for primaries around the white of sRGB."""

    def to_xyz(numbers: tuple[float, ...]) -> Pixels:
        xs, ys = np.array(numbers[::2]), np.array(numbers[1::2])
        whole = np.stack([xs / ys, np.ones(4), (1 - xs - ys) / ys])
        matrix: Pixels = whole[:, 1:] * np.linalg.solve(whole[:, 1:], whole[:, 0])
        return matrix

    linear = (pixels / 255.0) ** power
    matrix = np.linalg.inv(to_xyz(NARROW)) @ to_xyz(primaries)
    light = np.clip(linear @ matrix.T, 0, 1)
    values = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(values * 255))


@pytest.mark.parametrize(
    ("power", "primaries"), [(1.0, NARROW), (1.8, NARROW), (2.2, WIDE), (2.6, WIDE)]
)
def test_gamma_and_primaries_of_a_png_become_a_profile(
    power: float, primaries: tuple[float, ...]
) -> None:
    data = with_chunks(pil(RGB, "PNG"), gama(power), chrm(*primaries))
    icc = read_picture(data).icc
    assert icc is not None
    difference = in_srgb(RGB, icc).astype(int) - expected_in_srgb(RGB, power, primaries)
    assert np.abs(difference).max() <= 2
    assert np.abs(difference).mean() < 0.35
    assert read_picture(data).icc == icc  # reproducible: no date, no name of a file


def test_gamma_alone_is_of_srgb_s_primaries_and_counts_for_grey() -> None:
    for image in (RGB, GREY):
        icc = read_picture(with_chunks(pil(image, "PNG"), gama(1.0))).icc
        assert icc is not None
        ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
        assert np.abs(in_srgb(ramp, icc) - expected_in_srgb(ramp, 1.0, NARROW)).max() <= 1


@pytest.mark.parametrize(
    "chunks",
    [
        [png_chunk(b"gAMA", struct.pack(">I", 45_455)), chrm(*NARROW)],
        [gama(2.2)],
        [chrm(*WIDE)],
        [gama(1.0), png_chunk(b"sRGB", b"\0")],
        [gama(1.0), png_chunk(b"cICP", bytes((1, 13, 0, 1)))],
        [png_chunk(b"gAMA", b"\0\0\0\0")],
        [png_chunk(b"gAMA", b"\xff\xff\xff\xff")],
        [png_chunk(b"gAMA", b"\0\1")],
        [gama(1.8), chrm(*[0.3] * 8)],
        [gama(1.8), chrm(*[0] * 8)],
        [gama(1.8), png_chunk(b"cHRM", b"\xff" * 32)],
    ],
    ids=["srgb", "2.2", "no gamma", "sRGB", "cICP", "0", "most", "short", "line", "zeros", "ones"],
)
def test_no_profile_is_made_of_what_is_srgb_or_makes_no_sense(chunks: list[bytes]) -> None:
    data = with_chunks(pil(RGB, "PNG"), *chunks)
    picture = read_picture(data)
    assert picture.icc is None
    np.testing.assert_array_equal(picture.color, RGB)


def test_a_profile_counts_more_than_what_is_told_otherwise() -> None:
    data = with_chunks(pil(RGB, "PNG", icc_profile=SRGB), gama(1.0))
    assert read_picture(data).icc == SRGB
    data = pil(RGB, "JPEG", icc_profile=SRGB, exif=adobe_rgb_exif())
    assert read_picture(data).icc == SRGB


def test_the_profile_of_adobe_rgb_has_its_published_colorants() -> None:
    profile = ImageCms.ImageCmsProfile(
        io.BytesIO(matrix_profile("x", ADOBE_RGB, ADOBE_RGB_GAMMA))
    ).profile
    found = [profile.red_colorant, profile.green_colorant, profile.blue_colorant]
    published = [  # of AdobeRGB1998.icc
        (0.60974, 0.31111, 0.01947),
        (0.20528, 0.62567, 0.06087),
        (0.14919, 0.06322, 0.74457),
    ]
    np.testing.assert_allclose([colorant[0] for colorant in found], published, atol=2e-4)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", *(["AVIF"] if HAS_AVIF else [])])
def test_a_camera_s_adobe_rgb_is_told_by_exif_alone(format: str) -> None:
    assert read_picture(pil(RGB, format, exif=adobe_rgb_exif("R98"))).icc is None
    icc = read_picture(pil(RGB, format, exif=adobe_rgb_exif())).icc
    assert icc == matrix_profile("Adobe RGB (1998) compatible", ADOBE_RGB, ADOBE_RGB_GAMMA)


@pytest.mark.parametrize(
    "chunks",
    [
        [png_chunk(b"sRGB", b"\0")],
        [png_chunk(b"cICP", bytes((1, 13, 0, 1)))],
        [png_chunk(b"gAMA", struct.pack(">I", 45_455))],
    ],
)
def test_exif_does_not_outweigh_what_a_png_says_of_its_colours(chunks: list[bytes]) -> None:
    assert read_picture(with_chunks(pil(RGB, "PNG", exif=adobe_rgb_exif()), *chunks)).icc is None


def test_exif_that_says_srgb_counts_more_than_what_was_left_of_adobe_rgb() -> None:
    block = Image.Exif()
    block[EXIF_DIRECTORY] = {0xA001: 1, INTEROPERABILITY: {1: "R03"}}
    assert read_picture(pil(RGB, "JPEG", exif=block.tobytes())).icc is None


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_an_offset_that_leads_nowhere_is_harmless(format: str, cli: Cli, tmp_path: Path) -> None:
    """A signed tag may point before the block."""
    for offset in (-1, -2, 2**31 - 1):
        entry = struct.pack("<HHIi", EXIF_DIRECTORY, 9, 1, offset)
        block = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + bytes(4)
        data = pil(GREY, format, exif=block)
        assert read_picture(data).icc is None
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.png").write_bytes(data if name == "b" else pil(GREY, "PNG"))
    assert cli("trimap", ".", "-o", "out").code == 0


@pytest.mark.parametrize("at", range(8, 120, 3))
def test_damaged_exif_is_harmless(at: int) -> None:
    block = bytearray(adobe_rgb_exif())
    block[min(at, len(block) - 1)] ^= 0xFF
    np.testing.assert_array_equal(
        read_picture(pil(RGB, "PNG", exif=bytes(block), lossless=True)).color.shape, (36, 52, 3)
    )


def resolution_exif(across: float, down: float, unit: int, orientation: int = 1) -> bytes:
    block = Image.Exif()
    block[X_RESOLUTION], block[Y_RESOLUTION], block[UNIT] = across, down, unit
    block[0x0112] = orientation
    return block.tobytes()


FILES = {
    "jpeg": pil(RGB, "JPEG", dpi=(300, 240)),
    "png": pil(RGB, "PNG", dpi=(300, 240)),
    "tiff": pil(RGB, "TIFF", dpi=(300, 240)),
    "bmp": pil(RGB, "BMP", dpi=(300, 240)),
    "exif": pil(RGB, "JPEG", exif=resolution_exif(300, 240, 2)),
    "centimetres": pil(RGB, "WEBP", exif=resolution_exif(300 / 2.54, 240 / 2.54, 3)),
    "turned": pil(RGB, "PNG", dpi=(240, 300), exif=exif(6)),
    "turned exif": pil(RGB, "WEBP", exif=resolution_exif(240, 300, 2, 8)),
}


@pytest.mark.parametrize("name", FILES)
def test_the_resolution_is_read_and_turned_with_the_picture(name: str) -> None:
    for found in (
        read_picture(FILES[name]).resolution,
        probe(FILES[name]).resolution,
        read_matte(FILES[name]).resolution,
    ):
        assert found == pytest.approx((300, 240), rel=1e-4)


@pytest.mark.parametrize(
    "data",
    [
        pil(RGB, "PNG"),
        pil(RGB, "JPEG"),
        with_chunks(pil(RGB, "PNG"), png_chunk(b"pHYs", struct.pack(">IIB", 3, 2, 0))),
        with_chunks(pil(RGB, "PNG"), png_chunk(b"pHYs", struct.pack(">IIB", 0, 9, 1))),
        with_chunks(pil(RGB, "PNG"), png_chunk(b"pHYs", b"\0")),
        pil(RGB, "WEBP", exif=resolution_exif(300, 240, 1)),
        pil(RGB, "WEBP", exif=resolution_exif(1e9, 240, 2)),
    ],
    ids=["png", "jpeg", "aspect", "zero", "short", "no unit", "absurd"],
)
def test_there_may_be_no_resolution(data: bytes) -> None:
    assert read_picture(data).resolution is None


@pytest.mark.parametrize("image", [RGB, RGBA, GREY, SIXTEEN], ids=["rgb", "rgba", "grey", "deep"])
@pytest.mark.parametrize("icc", [None, SRGB], ids=["plain", "profile"])
def test_the_resolution_is_written_where_a_format_has_one(image: Pixels, icc: bytes | None) -> None:
    for format in ("png", "tiff", "jpeg"):
        if format == "jpeg" and (image.dtype != np.uint8 or image.shape[2:] == (4,)):
            continue
        data = encode_image(image, format, icc=icc, resolution=Resolution(300, 118.11))
        found = read_picture(data)
        assert found.resolution == pytest.approx((300, 118.11), abs=0.12)  # JPEG: whole numbers
        assert found.icc == (None if image.ndim == 2 else icc)
        if image.dtype == np.uint8:
            told = Image.open(io.BytesIO(data)).info["dpi"]
            assert tuple(map(float, told)) == pytest.approx((300, 118.11), abs=0.12)
    for format in ("webp", "bmp"):
        if image.dtype == np.uint8 and (format == "webp" or image.shape[2:] != (4,)):
            plain = encode_image(image, format)
            assert encode_image(image, format, resolution=Resolution(300, 300)) == plain


def test_outputs_have_the_resolution_and_the_colours_of_their_input(
    cli: Cli, tmp_path: Path
) -> None:
    block = Image.Exif()
    block[EXIF_DIRECTORY] = {0xA001: 0xFFFF, INTEROPERABILITY: {1: "R03"}}
    block[X_RESOLUTION] = block[Y_RESOLUTION] = 300
    Image.fromarray(RGB).save(tmp_path / "p.jpg", quality=95, exif=block.tobytes())
    trimap = np.full((36, 52), 128, np.uint8)
    trimap[:8], trimap[20:] = 0, 255
    Image.fromarray(trimap).save(tmp_path / "t.png", dpi=(300, 300))
    cut = ("matte", "p.jpg", "--model", "closed-form", "--trimap", "t.png", "-o", "out")
    assert cli(*cut).code == 0
    assert cli("composite", "out/p-foreground.png", "--background", "red", "-o", "c.jpg").code == 0
    assert cli("trimap", "out/p-alpha.png", "-o", "again.tiff").code == 0
    adobe = matrix_profile("Adobe RGB (1998) compatible", ADOBE_RGB, ADOBE_RGB_GAMMA)
    for name, icc in (
        ("out/p-foreground.png", adobe),
        ("out/p-alpha.png", None),
        ("c.jpg", adobe),
        ("again.tiff", None),
    ):
        with Image.open(tmp_path / name) as image:
            assert image.info.get("icc_profile") == icc, name
            assert tuple(map(float, image.info["dpi"])) == pytest.approx((300, 300), abs=0.1), name


needs_heic = pytest.mark.skipif(not HAS_HEIC, reason="pillow-heif is not installed")


@needs_heic
@pytest.mark.parametrize("image", [RGB, RGBA, GREY], ids=["rgb", "rgba", "grey"])
def test_heic_is_read(image: Pixels, tmp_path: Path) -> None:
    path = tmp_path / "IMG_0001.HEIC"
    path.write_bytes(heic(image))
    picture = read_picture(path)
    colours = np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image[..., :3]
    assert probe(path).format == "heic"
    assert np.abs(picture.color.astype(int) - colours).mean() < 4
    assert (picture.alpha is not None) == (image.shape[2:] == (4,))


@needs_heic
def test_heic_keeps_its_profile_through_a_run(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "IMG_1.HEIC").write_bytes(heic(RGB, icc_profile=SRGB))
    (tmp_path / "in" / "IMG_2.heic").write_bytes(heic(RGB)[:400])
    done = cli("matte", "in", "--model", "modnet", "-o", "out")
    assert done.code == 1
    assert "IMG_2.heic" in done.err
    with Image.open(tmp_path / "out" / "IMG_1-foreground.png") as image:
        assert image.size == (52, 36)
        assert image.info["icc_profile"] == SRGB


def test_heic_without_its_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    head = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
    with pytest.raises(ImageReadError, match=r"HEIC.*pip install 'mattecli\[heic\]'"):
        pillow_codecs.read_header("heic", head)
