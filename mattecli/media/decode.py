"""Pixels of an image file, as they are stored: which decoder reads what, and what it must not see.

OpenCV decodes the bulk: it is the fastest and lets other threads run. It is handed files without
metadata, so that orientation is applied once (elsewhere), no version of it obeys a tag that another
ignores, and libpng has no chunk to warn about on standard error. Pillow decodes what OpenCV does
not read or would change: CMYK, TIFF up to 8 bits (OpenCV multiplies its colours by alpha, and drops
the alpha of grey), animated WebP, BMP, GIF, PNM, AVIF and HEIC.

What remains: a JPEG that has its end, but whose compressed data are damaged in the middle, is read
with the damage; only a line of libjpeg's on standard error tells. libpng writes one too about a PNG
that is broken behind a right checksum, and libtiff about damaged strips; both are refused. These
lines cannot be caught without redirecting the standard error of the whole process, which other
threads use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np

from mattecli.media import opencv, pillow_codecs
from mattecli.media.containers import exr, jpeg, png, pnm, tiff
from mattecli.media.containers.header import Header, damaged, unsupported
from mattecli.media.exr_codec import decode_exr
from mattecli.media.planes import Planes, inverted, straight
from mattecli.ops.pixels import levels_max
from mattecli.records import Array, Size

__all__ = ["Place", "decode_planes", "jpeg_reduction"]

Place: TypeAlias = Callable[[tuple[int, ...]], Array | None]
"""Makes an array of uint8 for a picture of some shape, or None where none is needed."""

_JPEG_SCALES = {
    1: cv2.IMREAD_GRAYSCALE,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}


def jpeg_reduction(header: Header, short_side: int | None) -> int:
    """By how much a JPEG is reduced while decoding: the most of 1, 2, 4, 8 that leaves enough.

    Args:
        header: the file's header.
        short_side: how many pixels the shorter side must keep; None for all.
    """
    if short_side is None or header.format != "jpeg" or header.mode == "cmyk":
        return 1
    shorter = min(header.stored)
    return max((1, *(by for by in _JPEG_SCALES if -(-shorter // by) >= short_side)))


def decode_planes(
    data: bytes, header: Header, *, reduction: int = 1, place: Place = lambda _shape: None
) -> Planes:
    """The pixels of a file's first picture: not yet upright, alpha straight.

    Args:
        data: the file.
        header: its header.
        reduction: 1, or what ``jpeg_reduction`` found.
        place: asked for an array to decode a large JPEG into, which saves a copy of it.

    Raises:
        ImageReadError: the file is cut off, damaged, or of a kind that is not read.
        ResourceError: memory does not suffice.
    """
    planes = _decoded(data, header, reduction, place)
    stored = header.stored
    if Size.of(planes.color) != (-(-stored.width // reduction), -(-stored.height // reduction)):
        raise damaged("its pixels are not of the size that its header claims")
    return planes


def _decoded(data: bytes, header: Header, reduction: int, place: Place) -> Planes:
    match header.format:
        case "jpeg":
            return _decode_jpeg(data, header, reduction, place)
        case "png":
            return _decode_png(data, header)
        case "tiff":
            return _decode_tiff(data, header)
        case "webp" if header.frames == 1:
            return _planes(opencv.decode(data))
        case "exr":
            return _decode_exr(data)
        case name:
            raw = pnm.raw_pixels(data) if name == "pnm" else None
            return pillow_codecs.decode(name, data) if raw is None else Planes(raw)


def _planes(image: Array) -> Planes:
    """OpenCV's image as RGB planes of a type that pictures have."""
    if image.dtype == np.float64:
        image = image.astype(np.float32)
    if image.dtype not in (np.uint8, np.uint16, np.float32):
        raise unsupported(f"an image of {image.dtype} values")
    if image.ndim == 2:
        return Planes(image)
    if image.shape[2] == 3:
        return Planes(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    return Planes(cv2.cvtColor(image, cv2.COLOR_BGRA2RGB), cv2.extractChannel(image, 3))


def _decode_jpeg(data: bytes, header: Header, reduction: int, place: Place) -> Planes:
    plain = jpeg.pixels_only(data)
    if header.mode == "cmyk":
        return pillow_codecs.decode("jpeg", plain, icc=header.icc)
    if header.mode == "rgb" and reduction == 1:
        target = place((header.stored.height, header.stored.width, 3))
        if target is not None:  # the same pixels; OpenCV makes the picture twice
            return Planes(pillow_codecs.decode_into("jpeg", plain, target))
    colours = cv2.IMREAD_COLOR_RGB if header.mode == "rgb" else 0
    return Planes(opencv.decode(plain, _JPEG_SCALES[reduction] | colours))


def _decode_png(data: bytes, header: Header) -> Planes:
    planes = _planes(opencv.decode(png.pixels_only(data)))
    transparent = png.transparent_grey(data) if header.mode == "grey+alpha" else None
    if planes.alpha is not None or transparent is None:
        return planes
    white = levels_max(planes.color.dtype)
    value = transparent * white // (2**header.bit_depth - 1)  # OpenCV leaves this key unused
    alpha = np.where(planes.color == value, 0, white).astype(planes.color.dtype)
    return Planes(planes.color, alpha)


def _decode_tiff(data: bytes, header: Header) -> Planes:
    stored = tiff.pixels_only(data)
    if header.bit_depth <= 8 or header.mode == "cmyk":
        planes = pillow_codecs.decode("tiff", stored.data, icc=header.icc)
    else:
        planes = _planes(opencv.decode(stored.data))
    if stored.white_is_zero:
        planes = inverted(planes)
    return straight(planes) if stored.premultiplied else planes


def _decode_exr(data: bytes) -> Planes:
    exr.require_complete(data)
    image = decode_exr(data)
    if image.ndim == 2 or image.shape[2] == 3:
        return Planes(image)
    colours, alpha = np.ascontiguousarray(image[..., :3]), np.ascontiguousarray(image[..., 3])
    return straight(Planes(colours, alpha))  # colours are associated by specification
