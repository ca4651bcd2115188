"""Damaged files: none is half read, none brings the program down."""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mattecli.errors import ImageReadError
from mattecli.media.encode import encode_image
from mattecli.media.images import read_picture
from tests.conftest import photo
from tests.media_samples import (
    FLOAT,
    HAS_AVIF,
    HAS_HEIC,
    RGB,
    RGBA,
    SIXTEEN,
    SRGB,
    exif,
    heic,
    pil,
    tiff,
)


def _first_scan_progressive() -> bytes:
    return pil(RGB, "JPEG", progressive=True, exif=_with_thumbnail())


def _with_thumbnail() -> bytes:
    """EXIF with a whole JPEG in it, whose end marker is not the photo's."""
    return exif(1) + pil(RGB[:8, :8], "JPEG")


FILES = {
    "jpeg": pil(RGB, "JPEG", exif=_with_thumbnail(), icc_profile=SRGB),
    "progressive jpeg": _first_scan_progressive(),
    "cmyk jpeg": pil(Image.fromarray(RGB).convert("CMYK"), "JPEG"),
    "png": pil(RGBA, "PNG", exif=exif(6), icc_profile=SRGB),
    "16 bit png": cv2.imencode(".png", SIXTEEN)[1].tobytes(),
    "palette png": pil(Image.fromarray(RGB).quantize(16), "PNG", transparency=0),
    "webp": pil(RGBA, "WEBP", exif=exif(6), icc_profile=SRGB),
    "lossless webp": pil(RGB, "WEBP", lossless=True),
    "tiff": pil(RGB, "TIFF"),
    "deflated tiff": pil(RGBA, "TIFF", compression="tiff_adobe_deflate"),
    "16 bit tiff": tiff(SIXTEEN, photometric="rgb", compression="zlib", rowsperstrip=7),
    "tiled float tiff": tiff(FLOAT, photometric="rgb", tile=(16, 16)),
    "bmp": pil(RGB, "BMP"),
    "gif": pil(RGB, "GIF"),
    "ppm": pil(RGB, "PPM"),
    "exr": encode_image(FLOAT, "exr"),
}
FILES |= {"avif": pil(RGB, "AVIF")} if HAS_AVIF else {}
FILES |= {"heic": heic(RGBA)} if HAS_HEIC else {}


NEEDS_EVERY_BYTE = [name for name in FILES if name not in ("gif", "avif")]
"""In the others the last bytes may be padding, which a reader need not miss."""


@pytest.mark.parametrize("name", FILES)
def test_the_whole_file_is_read(name: str) -> None:
    assert read_picture(FILES[name]).color.shape[2] == 3


@pytest.mark.parametrize("name", NEEDS_EVERY_BYTE)
def test_a_file_that_was_cut_anywhere_is_refused(name: str) -> None:
    whole = FILES[name]
    step = max(1, len(whole) // 150)
    cuts = {*range(0, len(whole), step), *range(len(whole) - 12, len(whole))}
    for length in sorted(cuts):
        with pytest.raises(ImageReadError):
            read_picture(whole[:length])


@pytest.mark.parametrize("name", [name for name in FILES if name in ("gif", "avif")])
def test_a_file_that_lacks_much_is_refused(name: str) -> None:
    whole = FILES[name]
    for length in range(0, len(whole) - 20, len(whole) // 60):
        with pytest.raises(ImageReadError):
            read_picture(whole[:length])


@pytest.mark.parametrize(
    "name", ["jpeg", "png", "webp", "16 bit tiff", *(["heic"] if HAS_HEIC else [])]
)
def test_truncation_is_named(name: str) -> None:
    with pytest.raises(ImageReadError, match=r"truncated.*; copy or download it again"):
        read_picture(FILES[name][: len(FILES[name]) * 9 // 10])


@pytest.mark.parametrize("name", [name for name in FILES if "tiff" not in name])
@pytest.mark.parametrize("tail", [b"\0" * 100, b"\xff" * 33, b"appended text", RGB.tobytes()])
def test_bytes_after_the_end_are_harmless(name: str, tail: bytes) -> None:
    expected = read_picture(FILES[name])
    np.testing.assert_array_equal(read_picture(FILES[name] + tail).color, expected.color)


def test_fill_bytes_before_markers_are_harmless() -> None:
    whole = FILES["jpeg"]
    filled = whole[:2] + b"\xff" * 5 + whole[2:-2] + b"\xff" * 3 + whole[-2:]
    np.testing.assert_array_equal(read_picture(filled).color, read_picture(whole).color)


def _mutations(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    rng = random.Random(seed)
    for _ in range(count):
        mutant = bytearray(data)
        at = rng.randrange(len(data))
        match rng.randrange(4):
            case 0:
                del mutant[at : at + rng.randrange(1, 60)]
            case 1:
                mutant[at:at] = rng.randbytes(rng.randrange(1, 40))
            case 2:
                for place in rng.choices(range(len(data)), k=rng.choice((1, 4, 20))):
                    mutant[place] = rng.randrange(256)
            case _:
                for place in rng.choices(range(min(len(data), 400)), k=3):
                    mutant[place] = rng.choice((0, 1, 127, 128, 255))
        yield bytes(mutant)


@pytest.mark.parametrize("name", [name for name in FILES if name != "avif"])
def test_damage_gives_a_picture_or_a_reason(name: str) -> None:
    errors = []
    for mutant in _mutations(FILES[name], 60, seed=len(name)):
        try:
            picture = read_picture(mutant, max_pixels=1_000_000)
        except ImageReadError as error:
            errors.append(error)
        else:
            assert picture.color.shape[:2] == (picture.full.height, picture.full.width)
    assert errors
    assert all(error.cause and len(str(error).splitlines()) == 1 for error in errors)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(sorted(FILES)))
def test_noise_after_a_signature_is_refused(noise: bytes, name: str) -> None:
    with pytest.raises(ImageReadError):
        read_picture(FILES[name][:16] + noise)


@pytest.mark.parametrize("name", ["png", "16 bit png", "palette png"])
def test_one_wrong_bit_in_a_png_is_noticed(name: str) -> None:
    whole = bytearray(FILES[name])
    at = whole.index(b"IDAT") + 9
    whole[at] ^= 4
    with pytest.raises(ImageReadError, match="checksum of its IDAT"):
        read_picture(bytes(whole))


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xd8" + b"\xff" * 5_000_000,
        b"\xff\xd8" + b"\xff\x00" * 2_500_000,
        b"II*\0\x08\0\0\0" + (b"\0\0" + struct.pack("<I", 8)) * 800_000,
    ],
    ids=["fill bytes", "stuffed bytes", "directories in a circle"],
)
def test_endless_structures_are_refused_at_once(data: bytes) -> None:
    begin = time.perf_counter()
    with pytest.raises(ImageReadError):
        read_picture(data)
    assert time.perf_counter() - begin < 1


def test_sound_and_plainly_cut_files_leave_standard_error_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    odd_profile = pil(RGB, "PNG", icc_profile=SRGB[:-40])  # libpng would warn
    for data in (*FILES.values(), odd_profile, pil(photo(90, 70), "PNG", gamma=0.3)):
        read_picture(data)
        if data[:6] not in (b"GIF87a", b"GIF89a"):
            with pytest.raises(ImageReadError):
                read_picture(data[: len(data) // 2])
    assert capfd.readouterr().err == ""


def test_pictures_are_read_by_threads_at_once() -> None:
    expected = {name: read_picture(data).color for name, data in FILES.items()}
    wrong: list[str] = []

    def work() -> None:
        for name, data in FILES.items():
            if not np.array_equal(read_picture(data).color, expected[name]):
                wrong.append(name)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
