"""Image files from pixels: settings of each format, and profiles that come back byte for byte."""

from __future__ import annotations

from io import BytesIO
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from PIL import Image

from mattecli.errors import ImageWriteError, UsageError
from mattecli.media import opencv
from mattecli.media.containers import tiff
from mattecli.media.containers.png_writer import png_file
from mattecli.media.containers.tiff_tags import Tag, TagValues, read_directory, rewritten
from mattecli.media.exr_codec import encode_exr
from mattecli.media.formats import FORMATS, Format, check_quality, writable_format
from mattecli.ops.composite import associated
from mattecli.ops.lazy import LazyImage
from mattecli.records import Array, Resolution, Size

__all__ = ["encode_image"]

_DEPTHS = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16, np.dtype(np.float32): 32}
_CHANNEL_ORDER = {3: cv2.COLOR_RGB2BGR, 4: cv2.COLOR_RGBA2BGRA}
_MAX_SIDE = MappingProxyType({"jpeg": 65_500, "webp": 16_383})
_JPEG_QUALITY = 95
_TIFF_BYTES = 7  # the type of a tag that holds opaque bytes
_INCH = 2  # TIFF 6.0, section 8, ResolutionUnit


def encode_image(
    image: Array | LazyImage,
    format: str,
    *,
    icc: bytes | None = None,
    resolution: Resolution | None = None,
    quality: int | None = None,
    is_associated: bool = False,
) -> bytes:
    """An image as a file.

    PNG, TIFF, BMP and WebP without ``quality`` are lossless, colours under zero alpha included.

    Args:
        image: H,W (grey), H,W,3 (RGB) or H,W,4 (RGBA); uint8, uint16 or float32. A lazy
            one is made band by band for PNG, and whole for the others.
        format: a name or suffix of ``media.formats``. EXR holds associated alpha, by its
            specification: colours are multiplied here.
        icc: profile of the colours; left out of grey images, and of formats that hold none (BMP,
            EXR).
        resolution: for print and layout; left out of formats that hold none (WebP, BMP, EXR).
        quality: 1..100 for JPEG (default 95, without chroma subsampling) and lossy WebP; the other
            formats have none.
        is_associated: the colours of RGBA are multiplied with alpha already, which TIFF tells.

    Raises:
        UsageError: the format cannot hold such pixels, or has no such ``quality``.
        ImageWriteError: the image is too large for the format.
        ResourceError: memory does not suffice.
    """
    row = writable_format(format)
    _check(image, row, quality)
    if image.ndim == 2 or not row.icc:
        icc = None
    if row.name == "png":
        return png_file(image, icc=icc, resolution=resolution)
    image = np.asarray(image)
    match row.name:
        case "tiff":
            return _encode_tiff(image, icc, resolution, is_associated=is_associated)
        case "exr":
            return encode_exr(image if is_associated else _associated(image))
        case "bmp":
            return opencv.encode(".bmp", _bgr(image))
        case "webp":
            return _encode_webp(image, row, icc, quality)
        case _:
            return _encode_jpeg(image, row, icc, resolution, quality or _JPEG_QUALITY)


def _check(image: Array | LazyImage, row: Format, quality: int | None) -> None:
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in _CHANNEL_ORDER):
        raise UsageError(f"an array of shape {image.shape} is not an image")
    depth = _DEPTHS.get(image.dtype)
    if depth not in row.depths:
        can = " or ".join(map(str, sorted(row.depths)))
        raise UsageError(
            f"{row.name} cannot hold {depth or image.dtype} bits a channel",
            remedy=f"write {can} bits, or choose {_names_of(depth=depth)}",
        )
    if image.ndim == 3 and image.shape[2] == 4 and not row.alpha:
        raise UsageError(
            f"{row.name} cannot hold alpha", remedy=f"choose {_names_of(depth=depth, alpha=True)}"
        )
    check_quality(row, quality)
    limit = _MAX_SIDE.get(row.name)
    if limit is not None and max(Size.of(image)) > limit:
        raise ImageWriteError(
            f"{row.name} holds at most {limit} pixels a side, the image has {Size.of(image)}",
            remedy="choose png or tiff",
        )


def _names_of(*, depth: int | None, alpha: bool = False) -> str:
    """The formats that can hold such pixels, for people."""
    rows = [row for row in FORMATS.values() if row.alpha >= alpha]
    return " or ".join(row.name for row in rows if depth in row.depths) or "another type"


def _bgr(image: Array) -> Array:
    return image if image.ndim == 2 else cv2.cvtColor(image, _CHANNEL_ORDER[image.shape[2]])


def _encode_jpeg(
    image: Array, row: Format, icc: bytes | None, resolution: Resolution | None, quality: int
) -> bytes:
    dots = {} if resolution is None else {"dpi": resolution}
    return _save(image, row, icc, quality=quality, subsampling=0, **dots)


def _encode_tiff(
    image: Array, icc: bytes | None, resolution: Resolution | None, *, is_associated: bool
) -> bytes:
    # LZW is named because older OpenCVs write float colours as LogLuv otherwise, with loss.
    lzw = (cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_LZW)
    data = opencv.encode(".tiff", _bgr(image), lzw)
    directory = read_directory(data)
    tags: dict[int, TagValues] = {}
    if image.ndim == 3 and image.shape[2] == 4:  # OpenCV leaves the fourth channel unexplained
        kind = tiff.ASSOCIATED_ALPHA if is_associated else tiff.UNASSOCIATED_ALPHA
        tags[Tag.EXTRA_SAMPLES] = directory.shorts(kind)
    if icc is not None:
        tags[Tag.ICC_PROFILE] = TagValues(_TIFF_BYTES, len(icc), icc)
    if resolution is not None:
        tags[Tag.X_RESOLUTION] = directory.fraction(resolution.across)
        tags[Tag.Y_RESOLUTION] = directory.fraction(resolution.down)
        tags[Tag.RESOLUTION_UNIT] = directory.shorts(_INCH)
    try:
        return rewritten(data, directory, tags)
    except OverflowError:
        raise ImageWriteError("tiff holds at most 4 GiB", remedy="choose png") from None


def _associated(image: Array) -> Array:
    return associated(image) if image.ndim == 3 and image.shape[2] == 4 else image


def _encode_webp(image: Array, row: Format, icc: bytes | None, quality: int | None) -> bytes:
    if quality is not None:
        return _save(image, row, icc, quality=quality, exact=True)
    # The least effort: three times the speed of the default for a tenth more bytes.
    return _save(image, row, icc, lossless=True, exact=True, quality=0, method=0)


def _save(image: Array, row: Format, icc: bytes | None, **options: Any) -> bytes:
    """A file by Pillow, which embeds any profile unchanged and keeps colours under zero alpha."""
    stream = BytesIO()
    try:
        Image.fromarray(image).save(stream, row.name, icc_profile=icc, **options)
    except (OSError, ValueError) as error:
        raise ImageWriteError(f"it cannot be encoded as {row.name} ({error})") from error
    return stream.getvalue()
