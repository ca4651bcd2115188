"""Decoded pixels as they come from a file, and what makes a picture of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np

from mattecli.ops.pixels import levels_max, to_float, white_of
from mattecli.records import Array

__all__ = ["Planes", "inverted", "luminance", "straight", "upright"]

_LEFT_RIGHT, _TOP_BOTTOM, _BOTH = 1, 0, -1  # as cv2.flip counts
# After the transposition that orientations from 5 on have.
_FLIPS = {2: _LEFT_RIGHT, 3: _BOTH, 4: _TOP_BOTTOM, 6: _LEFT_RIGHT, 7: _BOTH, 8: _TOP_BOTTOM}


@dataclass(frozen=True, slots=True)
class Planes:
    """Colours and alpha of one file, of one dtype (uint8, uint16 or float32).

    Attributes:
        color: H,W (grey) or H,W,3 (RGB).
        alpha: H,W, or None.
    """

    color: Array
    alpha: Array | None = None


def upright(image: Array, orientation: int) -> Array:
    """An image as it is to be seen, C-contiguous.

    Args:
        image: H,W or H,W,3 in the order in which it is stored.
        orientation: EXIF orientation 1..8 (Exif 2.32, tag 274): where the stored first row and
            first column belong.
    """
    if orientation >= 5:
        image = cv2.transpose(image)
    if orientation in _FLIPS:
        image = cv2.flip(image, _FLIPS[orientation])
    return image


def inverted(planes: Planes) -> Planes:
    """The same with black and white exchanged; alpha stays."""
    white = planes.color.dtype.type(white_of(planes.color.dtype))
    return replace(planes, color=white - planes.color)


def straight(planes: Planes) -> Planes:
    """Colours divided by alpha: of a file whose colours were multiplied by it.

    Where alpha is 0 nothing is known and the colour stays. Levels are rounded and clipped to white.
    """
    if planes.alpha is None:
        return planes
    alpha = to_float(planes.alpha)
    with np.errstate(over="ignore", invalid="ignore"):  # floats of a file may be anything
        scale = np.divide(1.0, alpha, out=np.ones_like(alpha), where=alpha > 0)
        color = planes.color * (scale if planes.color.ndim == 2 else scale[..., None])
    if not np.issubdtype(planes.color.dtype, np.floating):
        color = np.rint(np.minimum(color, levels_max(planes.color.dtype)))
    return replace(planes, color=color.astype(planes.color.dtype))


def luminance(color: Array) -> Array:
    """The grey H,W of an H,W,3 RGB image, of its dtype (ITU-R BT.601 luma)."""
    if color.ndim == 2:
        return color
    grey: Array = cv2.cvtColor(color, cv2.COLOR_RGB2GRAY)
    return grey
