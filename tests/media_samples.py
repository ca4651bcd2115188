"""Small pictures and files of every kind, for the tests of reading and writing."""

from __future__ import annotations

import io
import struct
import zlib
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image, ImageCms

from tests.conftest import photo

Pixels = npt.NDArray[Any]
RGB = photo(52, 36)
GREY = np.ascontiguousarray(RGB[..., 1])
ALPHA = np.tile(np.linspace(0, 255, 52).astype(np.uint8), (36, 1))
RGBA = np.dstack([RGB, ALPHA])
SIXTEEN = RGB.astype(np.uint16) * 201 + np.arange(36, dtype=np.uint16)[:, None, None]
FLOAT = (SIXTEEN / np.float32(40000)).astype(np.float32)  # exceeds 1 in places
HAS_AVIF = "AVIF" in Image.registered_extensions().values()
HAS_HEIC = find_spec("pillow_heif") is not None
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
"""A small RGB profile; tests that need another append to it."""


def pil(image: Image.Image | Pixels, format: str, **options: Any) -> bytes:
    """A file written by Pillow."""
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    stream = io.BytesIO()
    picture.save(stream, format, **options)
    return stream.getvalue()


def heic(image: Pixels, **options: Any) -> bytes:
    """A file written by pillow-heif, whose colours are not subsampled."""
    import pillow_heif

    pillow_heif.register_heif_opener()
    return pil(image, "HEIF", quality=95, chroma=444, **options)


def tiff(image: Pixels, **options: Any) -> bytes:
    """A file written by tifffile."""
    stream = io.BytesIO()
    tifffile.imwrite(stream, image, **options)
    return stream.getvalue()


def exif(orientation: int) -> bytes:
    """An EXIF block that names an orientation."""
    block = Image.Exif()
    block[0x0112] = orientation
    return block.tobytes()


def png_chunk(name: bytes, body: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def exr(width: int, height: int) -> bytes:
    """A file of a header alone."""

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
