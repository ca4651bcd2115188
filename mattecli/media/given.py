"""Pictures that a caller of the library hands over, and those that go back."""

from __future__ import annotations

import os
from typing import TypeAlias

import numpy as np
from PIL import Image

from mattecli.errors import ImageReadError, UsageError
from mattecli.media.containers.exif import read_exif
from mattecli.media.images import Content
from mattecli.media.pillow_codecs import planes_of
from mattecli.media.planes import Planes
from mattecli.media.stores.place import as_path
from mattecli.ops.pixels import to_levels
from mattecli.records import Array

__all__ = ["Given", "as_pillow", "content_of"]

Given: TypeAlias = Array | Image.Image | bytes | str | os.PathLike[str]
"""H,W, H,W,3 or H,W,4 (RGB, alpha straight) of uint8, uint16, or floats 0..1; a Pillow image; the
bytes of an image file; or its path."""

_TYPES = "give uint8, uint16, or floats of 0 to 1"


def content_of(given: Given) -> Content:
    """What readers of images take for a picture that was handed over.

    Raises:
        ImageReadError: an array is of no picture's shape, type or range; a Pillow image is damaged.
        UsageError: it is no picture at all, or a path that makes no sense.
    """
    if isinstance(given, np.ndarray):
        return _planes_of_array(given)
    if isinstance(given, Image.Image):
        return planes_of(given)
    if isinstance(given, bytes | bytearray | memoryview):
        return bytes(given)
    if isinstance(given, str | os.PathLike):
        return as_path(given)
    raise UsageError(
        f"a {type(given).__name__} is no picture",
        remedy="give an array, a Pillow image, the bytes of a file, or a path",
    )


def as_pillow(levels: Array, like: Image.Image, *, has_colour: bool) -> Image.Image:
    """Levels as a Pillow image of 8 bits a channel.

    Args:
        levels: H,W, H,W,3 RGB or H,W,4 RGBA.
        like: the image that it was made of, whose profile describes its colours, too.
        has_colour: it shows the image's colours.
    """
    made = Image.fromarray(to_levels(levels))
    icc = like.info.get("icc_profile") or read_exif(like.info.get("exif") or b"").icc
    if has_colour and isinstance(icc, bytes) and icc[16:20] == b"RGB ":
        made.info["icc_profile"] = icc
    return made


def _planes_of_array(array: Array) -> Planes:
    if array.ndim not in (2, 3) or array.shape[2:] not in ((), (1,), (3,), (4,)) or not array.size:
        raise ImageReadError(
            f"an array of shape {array.shape} is no picture", remedy="give H,W, H,W,3 or H,W,4"
        )
    pixels = _with_known_type(array)
    if pixels.shape[2:] == (4,):
        return Planes(_own(pixels[..., :3]), _own(pixels[..., 3]))
    return Planes(_own(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels))


def _with_known_type(array: Array) -> Array:
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype in (np.uint8, np.uint16):
        return array
    if array.dtype == np.dtype(np.uint16).newbyteorder():
        return array.astype(np.uint16)
    if array.dtype.kind != "f":
        raise ImageReadError(f"an array of {array.dtype} is no picture", remedy=_TYPES)
    if not (array.min() >= 0 and array.max() <= 1):  # NaN is neither
        raise ImageReadError(
            f"an array of {array.dtype} reaches from {array.min():g} to {array.max():g}",
            remedy=_TYPES,
        )
    return array.astype(np.float32, copy=False)


def _own(pixels: Array) -> Array:
    """Contiguous, and writeable, which PyTorch wants of what it shares."""
    return np.require(pixels, requirements=["C", "W"])
