"""Changes to a finished alpha: H,W, levels or floats 0..1; the type stays as it is."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.blocks import blocks
from mattecli.ops.parts import Mask, Parts
from mattecli.ops.pixels import Float32, white_of
from mattecli.ops.segmentation import Box, extent
from mattecli.ops.trimap import BACKGROUND, FOREGROUND
from mattecli.records import Array, Size

__all__ = [
    "bounding_box",
    "choked",
    "feathered",
    "fill_holes",
    "inverted",
    "keep_known",
    "keep_parts",
    "thresholded",
]

_STRIP = 512
_HAZE = 0.05  # a network's alpha where it should be 0; if it counted, it would join all parts
_RIM = 32  # pixels: softer than that is no edge
_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))


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


def keep_parts(alpha: Array, min_area: float, *, only_largest: bool = False) -> Array:
    """The alpha without its small separate parts, or without all but the largest.

    A part is a group of touching pixels (corners count) with more than 5 % alpha. Fainter alpha
    stays where it is connected to a part that is kept, and goes elsewhere.

    Args:
        alpha: H,W.
        min_area: the smallest part that is kept, in pixels.
        only_largest: keep that part alone which has the most pixels.
    """
    limit = _HAZE * white_of(alpha.dtype)
    solid = Parts(lambda rows: alpha[rows] > limit, len(alpha), corners=True)
    wanted = solid.areas >= min_area
    if only_largest:
        wanted &= np.arange(len(wanted)) == solid.areas.argmax()
    visible = Parts(lambda rows: alpha[rows] > 0, len(alpha), corners=True)
    beside = visible.holding(solid.where(wanted))
    kept = np.zeros_like(alpha)
    for (rows, part), (_, near) in zip(solid.where(wanted), visible.where(beside), strict=True):
        own = alpha[rows]
        np.copyto(kept[rows], own, where=part | (near & (own <= limit)))
    return kept


def fill_holes(alpha: Array, area: float) -> Array:
    """The alpha with its small holes made opaque.

    A hole is a group of touching pixels (corners do not count) of less than half alpha that does
    not reach the picture's border. Its soft rim goes with it: what rises from the hole step by
    step, up to where alpha stops rising. What falls again from there, as at the subject's own edge,
    stays as it is.

    Args:
        alpha: H,W.
        area: holes of fewer pixels are filled.
    """
    white = white_of(alpha.dtype)
    low = Parts(lambda rows: alpha[rows] < white / 2, len(alpha), corners=False)
    holes = ~low.at_border & (low.areas < area)
    holes[0] = False
    if not holes.any():
        return alpha
    found = np.empty(alpha.shape, np.bool_)
    for rows, part in low.where(holes):
        found[rows] = part
    filled = alpha.copy()
    for block in blocks(Size.of(alpha), _STRIP, halo=_RIM):
        if found[block.outer].any():
            whole = _with_rim(alpha[block.outer], found[block.outer])
            filled[block.inner][whole[block.core]] = white
    return filled


def _with_rim(alpha: Array, hole: Mask) -> Mask:
    """Holes and what rises from them, at most ``_RIM`` pixels far."""
    white = alpha.dtype.type(white_of(alpha.dtype))
    rim = (alpha >= white / 2) & (alpha < white)
    reached = hole
    for _ in range(_RIM):
        lowest = cv2.erode(np.where(reached, alpha, white), _CROSS)
        more = rim & ~reached & (lowest < alpha)
        if not more.any():
            break
        reached = reached | more
    return reached


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
