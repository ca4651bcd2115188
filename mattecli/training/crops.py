"""The centre of a training picture."""

from __future__ import annotations

import numpy as np

from mattecli.ops.pixels import Float32
from mattecli.records import Array, Size

__all__ = ["centre_crop"]


def centre_crop(image: Array, size: Size) -> Float32:
    """Cut the centre exactly: where that lies between pixels, neighbours are averaged.

    Lin et al., Background Matting V2, as its training does it.

    Args:
        image: H,W or H,W,C, at least as large as the result; levels or floats of any range.
        size: of the result.
    """
    rows = _centred(image.astype(np.float32), size.height, axis=0)
    return _centred(rows, size.width, axis=1)


def _centred(image: Float32, length: int, axis: int) -> Float32:
    start, is_between = divmod(image.shape[axis] - length, 2)
    part = image.take(range(start, start + length), axis)
    if not is_between:
        return part
    return (part + image.take(range(start + 1, start + 1 + length), axis)) / np.float32(2)
