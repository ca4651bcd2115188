"""Small pictures for the HTML reports."""

from __future__ import annotations

import cv2
import numpy as np

from mattecli.ops.pixels import to_float, to_levels
from mattecli.records import Array, Size

__all__ = ["THUMBNAIL_SIDE", "fitted", "thumbnail"]

THUMBNAIL_SIDE = 320
_SAMPLES = 4  # a thumbnail's pixel is the mean of at least 4 x 4; more cost time and change nothing
_QUALITY = 80


def thumbnail(image: Array, side: int = THUMBNAIL_SIDE) -> bytes:
    """A WebP file of a few kilobytes; pictures smaller than ``side`` are not enlarged.

    Args:
        image: H,W grey, H,W,3 RGB or H,W,4 unassociated RGBA; levels, or floats clipped to 0..1.
        side: the longer side, pixels.
    """
    step = max(1, max(image.shape[:2]) // (_SAMPLES * side))
    samples = to_levels(image[::step, ::step])
    size = fitted(Size.of(image), side)
    if samples.ndim == 3 and samples.shape[2] == 4:
        shown = cv2.cvtColor(_shrunk_rgba(samples, size), cv2.COLOR_RGBA2BGRA)
    else:
        small = cv2.resize(samples, size, interpolation=cv2.INTER_AREA)
        shown = cv2.cvtColor(small, cv2.COLOR_GRAY2BGR if small.ndim == 2 else cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".webp", shown, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    return encoded.tobytes()


def fitted(size: Size, side: int) -> Size:
    """The size with ``side`` as its longer side, or the size itself if it is smaller."""
    return size.scaled(min(1.0, side / max(size)))


def _shrunk_rgba(image: Array, size: Size) -> Array:
    """Area means in which hidden colours have no weight."""
    floats = to_float(image)
    alpha = floats[..., 3:]
    weighted = np.dstack([floats[..., :3] * alpha, alpha])
    small = to_float(cv2.resize(weighted, size, interpolation=cv2.INTER_AREA))
    colors = small[..., :3] / np.maximum(small[..., 3:], 1e-6)
    return to_levels(np.dstack([colors, small[..., 3]]))
