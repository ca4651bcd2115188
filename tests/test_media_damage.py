"""Bad files: every one is refused with its reason, none is half read, none takes memory."""

from __future__ import annotations

import errno
import mmap
import os
import random
import struct
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from mattecli.errors import ImageReadError
from mattecli.media import images
from mattecli.media.containers.tiff_tags import Tag, read_directory, rewritten
from mattecli.media.images import probe, read_levels, read_picture
from tests.conftest import photo
from tests.test_media_read import FLOAT, HAS_AVIF, RGB, RGBA, SIXTEEN, SRGB, exif, pil, tiff


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
} | ({"avif": pil(RGB, "AVIF")} if HAS_AVIF else {})
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


@pytest.mark.parametrize("name", ["jpeg", "png", "webp", "16 bit tiff"])
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


def _png(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + pixels + chunk(b"IEND", b"")


def _jpeg(width: int, height: int) -> bytes:
    whole = bytearray(pil(RGB, "JPEG"))
    at = whole.index(b"\xff\xc0") + 5
    whole[at : at + 4] = struct.pack(">HH", height, width)
    return bytes(whole)


def _bmp(width: int, height: int) -> bytes:
    whole = bytearray(pil(RGB, "BMP"))
    whole[18:26] = struct.pack("<ii", width, height)
    return bytes(whole)


def _gif(width: int, height: int) -> bytes:
    whole = bytearray(pil(RGB, "GIF"))
    whole[6:10] = struct.pack("<HH", width, height)
    return bytes(whole)


def _webp(width: int, height: int) -> bytes:
    whole = bytearray(pil(RGB, "WEBP", lossless=True, icc_profile=SRGB))
    at = whole.index(b"VP8X") + 12
    whole[at : at + 6] = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return bytes(whole)


def _tiff(width: int, height: int) -> bytes:
    whole = bytearray(tiff(RGB, photometric="rgb", metadata=None))
    for tag, value in ((256, width), (257, height)):
        at = whole.index(struct.pack("<HHI", tag, 4, 1))
        whole[at + 8 : at + 12] = struct.pack("<I", value)
    return bytes(whole)


def _exr(width: int, height: int) -> bytes:
    def attribute(name: bytes, kind: bytes, value: bytes) -> bytes:
        return name + b"\0" + kind + b"\0" + struct.pack("<I", len(value)) + value

    channels = b"".join(name + b"\0" + bytes(16) for name in (b"A", b"B", b"G", b"R")) + b"\0"
    window = struct.pack("<4i", 0, 0, width - 1, height - 1)
    return (
        b"\x76\x2f\x31\x01\x02\0\0\0"
        + attribute(b"channels", b"chlist", channels)
        + attribute(b"dataWindow", b"box2i", window)
        + b"\0"
    )


@pytest.mark.parametrize("make", [_png, _jpeg, _bmp, _gif, _webp, _tiff, _exr])
def test_absurd_sizes_are_refused_by_the_header(
    make: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert callable(make)
    data = make(60_000, 50_000)
    monkeypatch.setattr(
        images, "decode_planes", lambda *_, **__: pytest.fail("pixels were decoded")
    )
    for read in (read_picture, read_levels):
        with pytest.raises(ImageReadError, match=r"60000x50000 pixels.*raise --max-pixels"):
            read(data)
    assert probe(data).size == (60_000, 50_000)


def test_the_limit_is_exact() -> None:
    data = pil(RGB, "PNG")
    assert read_picture(data, max_pixels=52 * 36).full.pixels == 52 * 36
    with pytest.raises(ImageReadError, match="52x36 pixels, more than the limit of 1,871"):
        read_picture(data, max_pixels=52 * 36 - 1)


@pytest.mark.parametrize("make", [_png, _jpeg, _bmp, _tiff])
def test_a_size_that_the_pixels_do_not_fill_is_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(ImageReadError):
        read_picture(make(52, 4000) if make is not _jpeg else make(52, 0))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"just some text, no image at all", "not an image"),
        (b"\0" * 5000, "not an image"),
        (b"BM", "damaged|truncated"),
        (b"%PDF-1.7", "a PDF document cannot be read"),
        (b"8BPS\0\1", "Photoshop"),
        (b"<svg xmlns=", "SVG"),
        (b"\0\0\0\x0cjP  \r\n", "JPEG 2000"),
        (b"\0\0\0\x0cJXL \r\n", "JPEG XL"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "HEIC.*convert it"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommp42", "video"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, reason: str, tmp_path: Path) -> None:
    with pytest.raises(ImageReadError, match=reason):
        read_picture(data)
    path = tmp_path / "file.png"
    path.write_bytes(data)
    for read in (read_picture, probe):
        with pytest.raises(ImageReadError, match=reason) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_files_that_cannot_be_opened(tmp_path: Path) -> None:
    loop = tmp_path / "loop.png"
    loop.symlink_to(loop)
    cases = {
        tmp_path / "none.png": "there is no such file",
        tmp_path: "it is a folder",
        loop: "symbolic link that leads to itself",
        tmp_path / ("x" * 300): "name is too long",
        tmp_path / "nul\0.png": "no such file",
        Path("/dev/zero"): "it is a device",
    }
    for path, reason in cases.items():
        for read in (read_picture, read_levels, probe):
            with pytest.raises(ImageReadError, match=reason):
                read(path)


def test_files_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, mode: str) -> None:  # permissions mean nothing to root
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageReadError, match="may not be read; change its permissions"):
        read_picture(tmp_path / "secret.png")


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as stream:
        stream.write(FILES["png"])
        stream.truncate(1 << 40)  # sparse: it takes no room
    with pytest.raises(ImageReadError, match="no picture of the permitted size"):
        read_picture(path)


def test_a_pipe_is_read_as_a_whole_but_not_probed(tmp_path: Path) -> None:
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(FILES["png"],))
    writer.start()
    assert read_picture(path).alpha is not None
    writer.join()
    both = os.open(path, os.O_RDWR)  # so that opening does not wait
    try:
        with pytest.raises(ImageReadError, match="pipe"):
            probe(path)
    finally:
        os.close(both)


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


def test_a_small_tiff_of_one_huge_tile_is_refused() -> None:
    whole = tiff(RGB, photometric="rgb", tile=(16, 16), metadata=None)
    directory = read_directory(whole)
    huge = {tag: directory.shorts(60_000) for tag in (Tag.TILE_WIDTH, Tag.TILE_HEIGHT)}
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
