"""Files that are refused with their reason: too large, no images, not to be opened."""

from __future__ import annotations

import errno
import os
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mattecli.errors import ImageReadError
from mattecli.media import images
from mattecli.media.images import probe, read_levels, read_picture
from tests.media_samples import RGB, RGBA, SRGB, exr, pil, png_chunk, tiff


def _png(width: int, height: int) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    pixels = png_chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + pixels + png_chunk(b"IEND", b"")


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


@pytest.mark.parametrize("make", [_png, _jpeg, _bmp, _gif, _webp, _tiff, exr])
def test_absurd_sizes_are_refused_by_the_header(
    make: Callable[[int, int], bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
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
def test_a_size_that_the_pixels_do_not_fill_is_refused(make: Callable[[int, int], bytes]) -> None:
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
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "truncated|damaged|HEIC.*pip install"),
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

    (tmp_path / "secret.png").write_bytes(b"secret")
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(ImageReadError, match="may not be read; change its permissions"):
        read_picture(tmp_path / "secret.png")


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "huge.png"
    with path.open("wb") as stream:
        stream.write(pil(RGBA, "PNG"))
        stream.truncate(1 << 40)  # sparse: it takes no room
    with pytest.raises(ImageReadError, match="no picture of the permitted size"):
        read_picture(path)


def test_a_pipe_is_read_as_a_whole_but_not_probed(tmp_path: Path) -> None:
    path = tmp_path / "pipe.png"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(pil(RGBA, "PNG"),))
    writer.start()
    assert read_picture(path).alpha is not None
    writer.join()
    both = os.open(path, os.O_RDWR)  # so that opening does not wait
    try:
        with pytest.raises(ImageReadError, match="pipe"):
            probe(path)
    finally:
        os.close(both)
