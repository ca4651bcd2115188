"""Where one shot of a video ends and the next begins."""

from __future__ import annotations

import cv2
import numpy as np

from mattecli.ops.pixels import Float32, to_float
from mattecli.records import Array

__all__ = ["ShotDetector"]

_SIZE = (48, 27)
_BINS = 24
_CUT = 0.45  # share of pixels whose brightness changes place in the histogram
_JUMP = 0.12  # mean difference of the small pictures, 0..1


class ShotDetector:
    """Tells hard cuts: picture and histogram both change at once, between two frames.

    Dissolves count as one shot.
    """

    def __init__(self) -> None:
        self._last: Float32 | None = None

    def begins(self, color: Array) -> bool:
        """Whether a shot begins with this frame, H,W,3; True for the first one."""
        small = to_float(cv2.resize(color, _SIZE, interpolation=cv2.INTER_AREA))
        last, self._last = self._last, small
        if last is None:
            return True
        jump = float(np.abs(small - last).mean())
        moved = 0.5 * float(np.abs(_histogram(small) - _histogram(last)).sum())
        return jump > _JUMP and moved > _CUT


def _histogram(small: Float32) -> Float32:
    """Shares of brightness, joint over the three channels' own histograms."""
    counts = [np.histogram(small[..., c], _BINS, (0, 1))[0] for c in range(3)]
    shares: Float32 = (np.concatenate(counts) / (3.0 * small[..., 0].size)).astype(np.float32)
    return shares
