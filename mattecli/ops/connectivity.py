"""The connectivity error: parts of a matte that hang loose from the subject.

Rhemann et al., A Perceptually Motivated Online Benchmark for Image Matting, CVPR 2009, in the form
of the evaluation program of Xu et al., Deep Image Matting, CVPR 2017.
"""

from __future__ import annotations

import cv2
import numpy as np

from mattecli.ops.metrics import ImagePair, Mask, banded_distance, mask_of
from mattecli.ops.pixels import Float32, levels_max, to_float
from mattecli.records import Array

__all__ = ["connected_steps", "connectivity_error"]

_STEPS = 10  # alpha is cut at 0.1, 0.2 .. 1.0
_SAMPLING = 8  # every 8th pixel each way tells which component is likely the largest
_TOLERANCE = 0.15  # alpha less than this above its connected level counts as connected


def connectivity_error(pair: ImagePair, region: Mask | None = None) -> float:
    """Sum of |connectivity of pred - connectivity of truth|, in units of alpha.

    The connectivity of a pixel is 1 - d, where d is how far its alpha is above the level at which
    it is still connected to the subject (``connected_steps``), or 1 where d is below 0.15.

    Args:
        pair: alpha mattes, H,W.
        region: pixels that count; components are those of the whole picture.
    """
    steps = connected_steps(pair)

    def loose(rows: slice) -> ImagePair:
        level = steps[rows] * np.float32(1 / _STEPS)
        return ImagePair(_loose(pair.pred[rows], level), _loose(pair.truth[rows], level))

    return banded_distance(loose, pair.height, cv2.NORM_L1, region)


def _loose(alpha: Array, level: Float32) -> Float32:
    """How far alpha is above its connected level; 0 within the tolerance."""
    above = to_float(alpha) - level
    above *= above >= _TOLERANCE
    return above


def connected_steps(pair: ImagePair) -> Mask:
    """Up to which tenth of alpha each pixel is connected to the subject in both mattes.

    At each of 0.1 .. 1.0 the subject is the largest 4-connected component of the pixels where both
    mattes reach that alpha; of components of equal size it is the first in row order.

    Returns:
        H,W uint8 in 0..10: the number of steps, counted from 0.1, before the first one at which
        the pixel is no part of the subject.
    """
    common = cv2.min(pair.pred, pair.truth)
    steps = np.zeros(common.shape, np.uint8)
    left, top, width, height = cv2.boundingRect(_reaches(common, 1))
    common = common[top : top + height, left : left + width]
    inner = steps[top : top + height, left : left + width]
    connected = np.ones(common.shape, np.uint8)
    for step in range(1, _STEPS + 1):
        reaches = _reaches(common, step)
        if not reaches.any():
            break
        connected &= _largest_component(reaches)
        inner += connected
    return steps


def _reaches(alpha: Array, step: int) -> Mask:
    """1 where alpha >= step / 10: exact for levels, in float32 for floats."""
    if alpha.dtype.kind == "f":
        return mask_of(alpha >= np.float32(step / _STEPS))
    # Rounded up in whole numbers: in floating point level 153 falls short of 6 * 0.1.
    lowest = -(-levels_max(alpha.dtype) * step // _STEPS)
    return mask_of(alpha >= lowest)


def _largest_component(mask: Mask) -> Mask:
    """1 in the largest 4-connected component of a mask of 0 and 1 that is not empty."""
    count, labels = cv2.connectedComponents(mask, connectivity=4, ltype=cv2.CV_32S)
    if count <= 2:  # background and one component
        return mask
    sample = labels[::_SAMPLING, ::_SAMPLING]
    likely = _fullest(sample) if sample.any() else 1
    component = mask_of(np.equal(labels, likely))
    if 2 * cv2.countNonZero(component) > cv2.countNonZero(mask):
        return component  # more than half of all: counting the others would change nothing
    return mask_of(np.equal(labels, _fullest(labels)))


def _fullest(labels: Array) -> int:
    """The label, other than 0, of the most pixels; the least one of equals."""
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return int(sizes.argmax())
