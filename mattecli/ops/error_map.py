"""A picture of where an alpha matte is wrong."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.metrics import ImagePair
from mattecli.ops.pixels import Float32, to_float, to_levels
from mattecli.records import Array, Size

__all__ = ["error_map"]


def error_map(pair: ImagePair, size: Size) -> npt.NDArray[np.uint8]:
    """Red where the prediction is too opaque, blue where it is too transparent.

    Brightness is the square root of the mean error of the pixels that are merged into one, so that
    thin and faint errors stay visible.

    Args:
        pair: alpha mattes, H,W.
        size: of the picture, at most that of the mattes.

    Returns:
        RGB, black where the two agree.
    """
    pred, truth = to_levels(pair.pred, np.uint8), to_levels(pair.truth, np.uint8)
    red = _brightness(cv2.subtract(pred, truth), size)  # saturates at zero
    blue = _brightness(cv2.subtract(truth, pred), size)
    return to_levels(np.dstack([red, np.zeros_like(red), blue]))


def _brightness(error: Array, size: Size) -> Float32:
    mean = to_float(cv2.resize(error, size, interpolation=cv2.INTER_AREA))
    return np.sqrt(mean)
