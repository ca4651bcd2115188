"""Where one shot of a video ends and the next begins."""

from __future__ import annotations

import cv2
import numpy as np

from mattecli.ops.pixels import Float32, to_float
from mattecli.records import Array

__all__ = ["ShotDetector"]

_SIZE = (48, 27)
_JUMP = 0.05  # mean difference of the small pictures, 0..1, below which nothing is a cut
_SUDDEN = 4.0  # times the one before: a fast pan differs as much, but in every frame


class ShotDetector:
    """Finds hard cuts, where two frames suddenly differ far more than those before them did.

    Dissolves count as one shot; a flash may count as a cut.
    """

    def __init__(self) -> None:
        self._last: Float32 | None = None
        self._jump = 0.0

    def begins(self, color: Array) -> bool:
        """Whether a shot begins with this frame, H,W,3; True for the first one."""
        small = to_float(cv2.resize(color, _SIZE, interpolation=cv2.INTER_AREA))
        last, self._last = self._last, small
        if last is None:
            return True
        before, self._jump = self._jump, float(np.abs(small - last).mean())
        return self._jump > _JUMP and self._jump > _SUDDEN * before
