"""Reading images: the one place where a file becomes a picture.

A path or the bytes of a file (standard input) may be given, or planes that somebody else decoded.
The format is found by content, so a wrong extension does no harm. Only the first picture of a file
is read.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import cv2

from mattecli.errors import ImageReadError, MattecliError, ResourceError
from mattecli.media.containers.header import Header
from mattecli.media.decode import Place, decode_planes, jpeg_reduction
from mattecli.media.files import read_file, read_start
from mattecli.media.headers import SNIFFED_BYTES, read_header, sniff
from mattecli.media.isolation import decode_apart, is_safe_here
from mattecli.media.planes import Planes, luminance, upright
from mattecli.media.stores.place import is_stored
from mattecli.ops.pixels import to_float, white_of
from mattecli.records import Array, Picture, Resolution, Size
from mattecli.settings.common import DEFAULT_MAX_PIXELS

__all__ = [
    "Content",
    "MatteFile",
    "probe",
    "read_levels",
    "read_matte",
    "read_picture",
]

Content: TypeAlias = Path | bytes | Planes
"""A file, its bytes, or its pixels: upright, alpha straight, C-contiguous."""

_START_BYTES = 1 << 18
_HEADER_FIRST = ("jpeg", "bmp", "exr")  # all metadata that counts comes before the pixels
_MAX_BYTES_PER_PIXEL = 32  # four channels of 64-bit floats
_METADATA_BYTES = 256 << 20
_LOOKED_AT = 40_000  # pixels, spread over the picture
_COLOURFUL = 0.05  # mean distance of the channels; codecs leave less of grey


def probe(source: Path | bytes) -> Header:
    """What the file's header says, without decoding pixels.

    Raises:
        ImageReadError: there is no such file, it is a pipe, no image, damaged, or unreadable.
    """
    with _about(source):
        if isinstance(source, bytes):
            return read_header(source)
        start = read_start(source, _START_BYTES)
        if len(start) < _START_BYTES:  # that was all of it
            return read_header(start)
        return _header_in(start) or read_header(_content(source, DEFAULT_MAX_PIXELS))


def _header_in(start: bytes) -> Header | None:
    """The header of a file that begins like this; None where more of it has to be read."""
    if sniff(start) not in _HEADER_FIRST:
        return None
    try:
        return read_header(start)
    except ImageReadError:
        return None


def read_picture(
    source: Content,
    *,
    max_pixels: int = DEFAULT_MAX_PIXELS,
    short_side: int | None = None,
    place: Place = lambda _shape: None,
) -> Picture:
    """The photo in a file, upright, as RGB, with its own alpha and profile.

    8 bits stay 8, 16 stay 16, floats become float32. CMYK becomes sRGB, through the embedded
    profile where there is one; the profile of grey pixels is dropped with them.

    Args:
        source: the file, its bytes, or its pixels.
        max_pixels: a header that claims more is refused.
        short_side: pixels of the shorter side that suffice, for a network that sees no more: a
            JPEG is then decoded at the coarsest of 1/2, 1/4, 1/8 that leaves as many.
        place: asked for an array to put the colours of a large JPEG into.

    Raises:
        ImageReadError: there is no such file, or it cannot be read, is no image, cut off, damaged,
            too large, or of a kind that is not read.
        ResourceError: memory does not suffice.
    """
    if isinstance(source, Planes):
        return Picture(color=_rgb(source.color), alpha=source.alpha, full=Size.of(source.color))
    with _about(source):
        data = _content(source, max_pixels)
        header = _checked_header(data, max_pixels)
        reduction = jpeg_reduction(header, short_side)
        planes = (
            decode_planes(data, header, reduction=reduction, place=place)
            if is_safe_here(header)
            else decode_apart(data)
        )
        planes = _upright(planes, header)
        return Picture(
            color=_rgb(planes.color),
            alpha=planes.alpha,
            icc=_rgb_profile(header),
            resolution=header.resolution,
            full=header.size,
            frames=header.frames,
        )


@dataclass(frozen=True, slots=True)
class MatteFile:
    """What a file says of alpha.

    Attributes:
        values: H,W; as ``read_levels`` gives them.
        is_colour: they are the brightness of a picture in colour, which is hardly a matte.
        resolution: as a `Picture` has it.
    """

    values: Array
    is_colour: bool = False
    resolution: Resolution | None = None


def read_levels(source: Content, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Array:
    """The values of an alpha matte, mask or trimap: H,W, uint8, uint16 or float32, upright.

    Of a file with alpha these are its alpha; except where that is opaque all over and the colours
    are grey: then somebody saved a mask with a needless alpha channel, and the grey counts. Of
    colours it is their luma (ITU-R BT.601), which for equal channels is their value.

    Raises:
        ImageReadError: as for ``read_picture``.
        ResourceError: memory does not suffice.
    """
    return read_matte(source, max_pixels=max_pixels).values


def read_matte(source: Content, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> MatteFile:
    """As ``read_levels``, with what there is to say of the file."""
    if isinstance(source, Planes):
        return _matte(source)
    with _about(source):
        data = _content(source, max_pixels)
        header = _checked_header(data, max_pixels)
        planes = decode_planes(data, header) if is_safe_here(header) else decode_apart(data)
        return _matte(_upright(planes, header), header.resolution)


def _matte(planes: Planes, resolution: Resolution | None = None) -> MatteFile:
    if planes.alpha is None or (_is_opaque(planes.alpha) and _is_grey(planes.color)):
        return MatteFile(luminance(planes.color), _is_colourful(planes.color), resolution)
    return MatteFile(planes.alpha, resolution=resolution)


def _rgb(color: Array) -> Array:
    return cv2.cvtColor(color, cv2.COLOR_GRAY2RGB) if color.ndim == 2 else color


@contextmanager
def _about(source: Path | bytes) -> Iterator[None]:
    """Have errors name the file."""
    path = None if isinstance(source, bytes) else source
    try:
        yield
    except MemoryError as error:
        cause = "memory does not suffice for this image"
        raise ResourceError(cause, path=path, remedy="use fewer --workers") from error
    except MattecliError as error:
        error.path = error.path or path
        raise


def _content(source: Path | bytes, max_pixels: int) -> bytes:
    if isinstance(source, bytes):
        return source
    limit = _claimed_pixels(source, max_pixels) * _MAX_BYTES_PER_PIXEL + _METADATA_BYTES
    return read_file(source, max_bytes=limit, head_bytes=SNIFFED_BYTES, check_head=sniff)


def _claimed_pixels(source: Path, max_pixels: int) -> int:
    """Pixels that a large file's header claims, where its start tells: a bound on what is read."""
    try:
        if is_stored(source) or source.stat().st_size <= _METADATA_BYTES:
            return max_pixels
        start = read_start(source, _START_BYTES)
        if start.startswith(b"\x89PNG"):
            width, height = struct.unpack_from(">II", start, 16)
            return min(max_pixels, int(width) * int(height))
        return min(max_pixels, read_header(start).stored.pixels)
    except (ImageReadError, OSError, ValueError, struct.error):
        return max_pixels  # what is wrong is found out by reading


def _checked_header(data: bytes, max_pixels: int) -> Header:
    header = read_header(data)
    if header.stored.pixels > max_pixels:
        cause = f"it claims {header.size} pixels, more than the limit of {max_pixels:,}"
        raise ImageReadError(cause, remedy="raise --max-pixels if that is right")
    return header


def _upright(planes: Planes, header: Header) -> Planes:
    alpha = planes.alpha
    return Planes(
        upright(planes.color, header.orientation),
        None if alpha is None else upright(alpha, header.orientation),
    )


def _rgb_profile(header: Header) -> bytes | None:
    """The profile, if it describes the picture's RGB (ICC.1, header bytes 16 to 19)."""
    icc = header.icc
    if icc is None or header.mode == "cmyk" or icc[16:20] != b"RGB ":
        return None
    return icc


def _is_opaque(alpha: Array) -> bool:
    return bool((alpha == white_of(alpha.dtype)).all())


def _is_grey(color: Array) -> bool:
    return color.ndim == 2 or bool((color == color[..., :1]).all())


def _is_colourful(color: Array) -> bool:
    """Whether a picture is in colour, rather than grey with the traces of a codec."""
    if color.ndim == 2:
        return False
    every = max(1, round((color.shape[0] * color.shape[1] / _LOOKED_AT) ** 0.5))
    some = to_float(color[::every, ::every])
    return bool((some.max(axis=2) - some.min(axis=2)).mean() > _COLOURFUL)
