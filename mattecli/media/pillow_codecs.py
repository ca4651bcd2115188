"""Pillow as a decoder, for what OpenCV does not read or would change.

Its plugins are called one by one: ``Image.open`` would also try formats that are not wanted here
(one starts Ghostscript), and has its own, global bound on the number of pixels.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO

import numpy as np
from PIL import Image, ImageCms, ImageOps
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from mattecli.media.containers.exif import read_exif
from mattecli.media.containers.header import Header, Mode, damaged, truncated, unsupported
from mattecli.media.planes import Planes
from mattecli.records import Array, Resolution, Size

__all__ = ["decode", "decode_into", "planes_of", "read_header"]

_STRIP = 128

_FAILURES = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    OverflowError,
    RuntimeError,
    struct.error,
    zlib.error,
)
"""What Pillow's parsers and decoders raise for files that are not sound."""

_MODES: dict[str, Mode] = {
    "1": "grey",
    "L": "grey",
    "LA": "grey+alpha",
    "P": "palette",
    "RGB": "rgb",
    "RGBA": "rgba",
}


class _TiffFile(TiffImageFile):
    """A TIFF file without Pillow's global bound on pixels; the caller's own was met before."""

    def load_prepare(self) -> None:
        ImageFile.load_prepare(self)


def _open_avif(stream: IO[bytes]) -> Image.Image:
    try:
        from PIL.AvifImagePlugin import AvifImageFile
    except ImportError:
        raise unsupported("an AVIF image", remedy="install Pillow 11.3 or newer") from None
    return AvifImageFile(stream)


def _open_heic(stream: IO[bytes]) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError:
        remedy = "run: pip install 'mattecli[heic]', or convert it to JPEG or PNG"
        raise unsupported("a HEIC image", remedy=remedy) from None
    image: Image.Image = HeifImageFile(stream)
    return image


_OPENERS: dict[str, Callable[[IO[bytes]], Image.Image]] = {
    "avif": _open_avif,
    "bmp": BmpImageFile,
    "gif": GifImageFile,
    "heic": _open_heic,
    "jpeg": JpegImageFile,
    "pnm": PpmImageFile,
    "tiff": _TiffFile,
    "webp": WebPImageFile,
}


@contextmanager
def _read_errors(name: str) -> Iterator[None]:
    try:
        yield
    except Image.DecompressionBombError as error:
        raise unsupported(f"a {name} image of this size") from error
    except _FAILURES as error:
        words = " ".join(str(error).replace("\\n", " ").split())  # libheif escapes its line ends
        if "truncated" in words or "end of file" in words:
            raise truncated() from error
        raise damaged(words or type(error).__name__) from error


def read_header(name: str, data: bytes) -> Header:
    """The header of a file of the format ``name``.

    Raises:
        ImageReadError: it is damaged, or of a kind that is not read.
    """
    with _read_errors(name):
        image = _OPENERS[name](BytesIO(data))
        frames = getattr(image, "n_frames", 1)
    if image.mode not in _MODES:
        raise unsupported(f"a {name} image of mode {image.mode}")
    told = read_exif(image.info.get("exif") or b"")
    return Header(
        format=name,
        stored=Size(*image.size),
        mode=_MODES[image.mode],
        bit_depth=1 if image.mode == "1" else 8,
        orientation=told.orientation,
        icc=image.info.get("icc_profile") or told.icc,
        stored_resolution=Resolution.sensible(*image.info.get("dpi", (0, 0))) or told.resolution,
        frames=frames,
    )


def decode(name: str, data: bytes, *, icc: bytes | None = None) -> Planes:
    """The first picture of a file of the format ``name``, 8 bits a channel, as it is stored.

    Args:
        name: the format.
        data: the file.
        icc: the profile of CMYK colours, which become sRGB through it.

    Raises:
        ImageReadError: the file is cut off or damaged.
    """
    with _read_errors(name):
        image = _OPENERS[name](BytesIO(data))
        image.load()
    return _planes(image, icc)


def planes_of(image: Image.Image) -> Planes:
    """The pixels of an image that somebody opened, upright; 8 bits a channel, 16 of 16-bit grey.

    Raises:
        ImageReadError: its file is cut off or damaged, or it is of a kind that is not read.
    """
    with _read_errors("Pillow"):
        image = ImageOps.exif_transpose(image)
        if image.mode.startswith("I;16"):
            return Planes(np.array(image, np.uint16))
        if image.mode in ("I", "F"):
            remedy = "give it as an array of uint8, uint16, or floats of 0 to 1"
            raise unsupported(f"a Pillow image of mode {image.mode}", remedy=remedy)
        return _planes(image, image.info.get("icc_profile"))


def _planes(image: Image.Image, icc: bytes | None) -> Planes:
    if image.mode == "CMYK":
        return Planes(np.array(_srgb_from_cmyk(image, icc)))
    if image.has_transparency_data:
        pixels = np.asarray(image.convert("RGBA"))
        return Planes(np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3]))
    return Planes(np.array(image.convert("L" if image.mode in ("1", "L") else "RGB")))


def decode_into(name: str, data: bytes, target: Array) -> Array:
    """An RGB picture, put into an array strip by strip: nothing else of its size is made but
    Pillow's own four bytes a pixel.

    Args:
        name: the format.
        data: the file.
        target: uint8 H,W,3 of the picture's size; returned.

    Raises:
        ImageReadError: the file is cut off or damaged.
    """
    with _read_errors(name):
        image = _OPENERS[name](BytesIO(data))
        image.load()
    for top in range(0, image.height, _STRIP):
        bottom = min(top + _STRIP, image.height)
        strip = image.crop((0, top, image.width, bottom)).convert("RGB")
        target[top:bottom] = np.asarray(strip)
    return target


def _srgb_from_cmyk(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Through the profile, relative colorimetric; without one by the formula (1-C)(1-K)."""
    if icc is not None:
        try:
            converted = ImageCms.profileToProfile(
                image,
                ImageCms.ImageCmsProfile(BytesIO(icc)),
                ImageCms.createProfile("sRGB"),
                renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
                outputMode="RGB",
                flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
            )
        except (ImageCms.PyCMSError, OSError):
            converted = None  # a profile that is damaged or not for CMYK
        if converted is not None:
            return converted
    return image.convert("RGB")
