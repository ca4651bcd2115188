"""A trimap shown over its photo."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.pixels import to_levels
from mattecli.ops.trimap_levels import BACKGROUND, UNKNOWN
from mattecli.records import Array

__all__ = ["preview_trimap"]

Levels8 = npt.NDArray[np.uint8]

_UNKNOWN_TINT = (255, 0, 128)  # rare in photos, and visible to the colour-blind


def preview_trimap(color: Array, trimap: Array) -> Levels8:
    """The photo with its unknown band tinted and its background darkened.

    Args:
        color: H,W,3 RGB.
        trimap: uint8 H,W of 0, 128, 255.

    Returns:
        uint8 H,W,3 RGB.
    """
    photo = to_levels(color)
    shown: Levels8 = photo.copy()
    own = np.arange(256)[:, None, None] + np.zeros(3)  # a curve for each channel
    curves = {BACKGROUND: own / 3, UNKNOWN: (own + _UNKNOWN_TINT) / 2}
    for level, curve in curves.items():
        changed = cv2.LUT(photo, np.rint(curve).astype(np.uint8))
        cv2.copyTo(changed, (trimap == level).view(np.uint8), shown)
    return shown
