"""Changes to a finished alpha: H,W, levels or floats 0..1; the type stays as it is."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.pixels import Float32, white_of
from mattecli.ops.segmentation import Box, extent
from mattecli.ops.trimap import BACKGROUND, FOREGROUND
from mattecli.records import Array

__all__ = [
    "bounding_box",
    "choked",
    "drop_specks",
    "feathered",
    "inverted",
    "keep_known",
    "thresholded",
]

Mask = npt.NDArray[np.bool_]

_STRIP = 512
_HAZE = 0.05  # a network's alpha where it should be 0; if it counted, it would join all parts


def keep_known(alpha: Float32, trimap: Array) -> Float32:
    """Set an alpha to 0 and 1 where the trimap is certain, and keep the rest within 0..1.

    Args:
        alpha: H,W; changed in place.
        trimap: uint8 H,W of 0, 128, 255.

    Returns:
        The same array.
    """
    for top in range(0, len(alpha), _STRIP):  # in strips: no masks of the photo's size
        rows, known = alpha[top : top + _STRIP], trimap[top : top + _STRIP]
        np.clip(rows, 0, 1, out=rows)
        rows[known == BACKGROUND] = 0
        rows[known == FOREGROUND] = 1
    return alpha


def thresholded(alpha: Array, level: float = 0.5) -> Array:
    """A mask: full where alpha (0..1) is at least ``level``, else 0."""
    white = white_of(alpha.dtype)
    mask: Array = (alpha >= level * white).astype(alpha.dtype)
    mask *= alpha.dtype.type(white)
    return mask


def inverted(alpha: Array) -> Array:
    """1 - alpha."""
    difference: Array = np.subtract(white_of(alpha.dtype), alpha, dtype=alpha.dtype)
    return difference


def drop_specks(alpha: Array, min_area: float) -> Array:
    """The alpha without its small separate parts.

    A part is a group of touching pixels (corners count) with more than 5 % alpha. Fainter alpha
    stays where it is connected to a part that is kept, and goes elsewhere.

    Args:
        alpha: H,W.
        min_area: the smallest part that is kept, in pixels.
    """
    solid = alpha > _HAZE * white_of(alpha.dtype)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(solid.view(np.uint8))
    large = statistics[:, cv2.CC_STAT_AREA] >= min_area
    large[0] = False  # the label of pixels in no part
    kept = large[labels]
    haze = _touching(alpha > 0, kept) & ~solid
    return np.where(kept | haze, alpha, np.zeros((), alpha.dtype))


def _touching(mask: Mask, marked: Mask) -> Mask:
    """Those parts of a mask that hold a marked pixel."""
    parts, labels = cv2.connectedComponents(mask.view(np.uint8))
    chosen = np.zeros(parts, np.bool_)
    chosen[labels[marked]] = True
    chosen[0] = False
    touching: Mask = chosen[labels]
    return touching


def bounding_box(alpha: Array) -> Box:
    """The smallest box around all that is visible (more than 5 % alpha), for cropping.

    Args:
        alpha: H,W.

    Raises:
        InputError: nothing is visible.
    """
    return extent(alpha > _HAZE * white_of(alpha.dtype))


def feathered(alpha: Array, pixels: float) -> Array:
    """A softer edge: a Gaussian blur with ``pixels`` as its standard deviation."""
    if pixels <= 0:
        return alpha
    return cv2.GaussianBlur(alpha, (0, 0), pixels)


def choked(alpha: Array, pixels: float) -> Array:
    """The edge moved inwards by ``pixels``, outwards if negative; fractions blend two steps."""
    whole = math.floor(abs(pixels))
    part = abs(pixels) - whole
    move = cv2.erode if pixels > 0 else cv2.dilate
    near = move(alpha, _disk(whole))
    if part == 0:
        return near
    return cv2.addWeighted(near, 1 - part, move(alpha, _disk(whole + 1)), part, 0)


def _disk(radius: int) -> npt.NDArray[np.uint8]:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk: npt.NDArray[np.uint8] = (x * x + y * y <= radius * radius).astype(np.uint8)
    return disk
