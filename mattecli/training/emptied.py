"""A labelled photo without its subject, as a background for others."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.pixels import Float32, to_float, to_levels

__all__ = ["emptied"]

Levels = npt.NDArray[np.uint8]

_CLEAR = 5  # of 255: less alpha does not show
_MARGIN = np.ones((5, 5), np.uint8)
_TINY = np.float32(1e-5)


def emptied(photo: Levels, alpha: Levels) -> Levels:
    """``photo`` with its subject replaced by ever wider means of what surrounds it (push-pull;
    Gortler et al., The Lumigraph, SIGGRAPH 1996, section 3.4).

    Args:
        photo: H,W,3 RGB.
        alpha: H,W; nowhere clear gives black.
    """
    clear = cv2.erode((alpha < _CLEAR).astype(np.float32), _MARGIN)
    pyramid = [np.dstack((to_float(photo) * clear[..., None], clear))]
    while min(pyramid[-1].shape[:2]) > 1:
        height, width = pyramid[-1].shape[:2]
        half = (max(1, width // 2), max(1, height // 2))
        pyramid.append(_resized(pyramid[-1], half, cv2.INTER_AREA))
    filled = _colors(pyramid[-1])
    for planes in reversed(pyramid[:-1]):
        wider = _resized(filled, (planes.shape[1], planes.shape[0]), cv2.INTER_LINEAR)
        trust = np.minimum(planes[..., 3:] * 2, 1)
        filled = (wider + trust * (_colors(planes) - wider)).astype(np.float32)
    return np.asarray(to_levels(filled), np.uint8)


def _colors(planes: Float32) -> Float32:
    return np.asarray(planes[..., :3] / np.maximum(planes[..., 3:], _TINY), np.float32)


def _resized(planes: Float32, size: tuple[int, int], method: int) -> Float32:
    resized = cv2.resize(planes, size, interpolation=method)
    return np.asarray(resized, np.float32).reshape(size[1], size[0], -1)
