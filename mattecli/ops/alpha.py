"""Changes to a finished alpha."""

from __future__ import annotations

from mattecli.ops.pixels import Float32
from mattecli.ops.trimap import BACKGROUND, FOREGROUND
from mattecli.records import Array

__all__ = ["keep_known"]


def keep_known(alpha: Float32, trimap: Array) -> Float32:
    """The alpha with 0 and 1 where the trimap is certain.

    Args:
        alpha: H,W, 0..1.
        trimap: uint8 H,W of 0, 128, 255.
    """
    kept = alpha.copy()
    kept[trimap == BACKGROUND] = 0
    kept[trimap == FOREGROUND] = 1
    return kept
