"""Small planes enlarged block by block, bilinearly; how blocks are cut changes no number."""

from __future__ import annotations

import cv2
import numpy as np

from mattecli.ops.blocks import Slices
from mattecli.ops.pixels import Float32
from mattecli.records import Size

__all__ = ["EnlargedPlanes"]


class EnlargedPlanes:
    """Planes that are enlarged only where they are read.

    Pixel centres correspond as in ``cv2.resize``; beyond the outermost ones the value is theirs.

    Args:
        planes: N,h,w float32.
        full: the size to enlarge them to.
    """

    def __init__(self, planes: Float32, full: Size) -> None:
        count, height = planes.shape[:2]
        # Across: all at once, since pieces would be slow. Down: later, block by block.
        self._wide = np.empty((count, height, full.width), np.float32)
        for plane, wide in zip(planes, self._wide, strict=True):
            cv2.resize(plane, (full.width, height), dst=wide, interpolation=cv2.INTER_LINEAR)
        rows = np.arange(full.height) + 0.5
        at = np.clip(rows * (height / full.height) - 0.5, 0, height - 1)
        self._above = at.astype(np.intp)
        self._below = np.minimum(self._above + 1, height - 1)
        self._share = (at - self._above).astype(np.float32)[:, None]

    def touches(self, part: Slices, plane: int) -> bool:
        """Whether a plane is above 0 anywhere in a part of the full size."""
        rows, columns = part
        needed = slice(int(self._above[rows.start]), int(self._below[rows.stop - 1]) + 1)
        return bool(self._wide[plane, needed, columns].max() > 0)

    def at(self, part: Slices) -> Float32:
        """A part of the planes at full size, N,H,W."""
        rows, columns = part
        near = self._wide[:, :, columns]
        enlarged: Float32 = near[:, self._below[rows]]
        upper = near[:, self._above[rows]]
        enlarged -= upper
        enlarged *= self._share[rows]
        enlarged += upper
        return enlarged
