"""Rough subject masks: the box around a subject, a mask as Background Matting expects it.

Sengupta et al., "Background Matting: The World is Your Green Screen", CVPR 2020, section 3.1: the
network sees a square around the subject and a mask that is eroded, dilated and blurred, so that
its border carries no detail.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.errors import InputError
from mattecli.ops.pixels import Float32, to_float
from mattecli.records import Array, Size

__all__ = [
    "Box",
    "crop",
    "extent",
    "largest_component",
    "opened_mask",
    "resized",
    "rough_mask",
    "subject_box",
    "subject_mask",
    "uncrop",
]


_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_ELLIPSE = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
_BLUR = (31, 31)
_MARGIN = 0.1  # around a subject on each side, as a share of its longer side


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle of whole pixels; ``top`` and ``left`` are inside it."""

    top: int
    left: int
    height: int
    width: int

    def grown(self, margin: int, size: Size) -> Box:
        """With ``margin`` more pixels on each side, within a picture of ``size``."""
        top, left = max(self.top - margin, 0), max(self.left - margin, 0)
        bottom = min(self.top + self.height + margin, size.height)
        right = min(self.left + self.width + margin, size.width)
        return Box(top, left, bottom - top, right - left)


def extent(mask: Array) -> Box:
    """The smallest box around all values above 0.

    Raises:
        InputError: the mask is empty.
    """
    rows = np.flatnonzero(mask.any(axis=1))
    columns = np.flatnonzero(mask.any(axis=0))
    if len(rows) == 0:
        raise InputError(
            "the mask shows no subject", remedy="give one that is white where the subject is"
        )
    top, left = int(rows[0]), int(columns[0])
    return Box(top, left, int(rows[-1]) - top + 1, int(columns[-1]) - left + 1)


def subject_mask(alpha: Float32) -> npt.NDArray[np.uint8]:
    """A hard mask, H,W: 255 where an alpha (0..1) is above one half, else 0."""
    return np.where(alpha > 0.5, 255, 0).astype(np.uint8)


def subject_box(mask: Array) -> Box:
    """A square around the subject with a margin, as far as the picture allows.

    Args:
        mask: H,W; uint8, or float 0..1; above one half is subject.

    Returns:
        Centred on the subject, moved where it would leave the picture, and cut where the picture
        is too small for it.

    Raises:
        InputError: the mask is empty.
    """
    inner = extent(to_float(mask) > 0.5)
    side = round(max(inner.height, inner.width) * (1 + 2 * _MARGIN))
    top, height = _span(inner.top, inner.height, side, mask.shape[0])
    left, width = _span(inner.left, inner.width, side, mask.shape[1])
    return Box(top, left, height, width)


def _span(start: int, length: int, wanted: int, limit: int) -> tuple[int, int]:
    """First pixel and length of ``wanted`` pixels around ``start`` .. ``start + length``."""
    wanted = min(wanted, limit)
    first = start + (length - wanted) // 2
    return min(max(first, 0), limit - wanted), wanted


def crop(image: Array, box: Box) -> Array:
    """The part of an H,W or H,W,C array inside ``box``; a view."""
    return image[box.top : box.top + box.height, box.left : box.left + box.width]


def resized(image: Array, size: Size) -> Array:
    """An H,W or H,W,C array at another size: bilinear, or means of areas if it shrinks."""
    shrinks = size.width < image.shape[1] and size.height < image.shape[0]
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=interpolation)


def uncrop(patch: Array, box: Box, size: Size) -> Array:
    """``patch`` resized (bilinear) to ``box`` in a picture of ``size`` that is 0 elsewhere."""
    whole = np.zeros((size.height, size.width, *patch.shape[2:]), patch.dtype)
    crop(whole, box)[...] = cv2.resize(patch, (box.width, box.height))
    return whole


def rough_mask(mask: Array) -> Float32:
    """A mask as the network was trained with, from one of any sharpness.

    Args:
        mask: H,W at the network's size; uint8, or float 0..1; above one half is subject.

    Returns:
        H,W, 0..1. A subject cut off by the picture's border is taken to go on beyond it.
    """
    subject = np.where(to_float(mask) > 0.5, np.float32(1), np.float32(0))
    return np.minimum(opened_mask(subject, cv2.BORDER_REPLICATE), 1)


def opened_mask(subject: Float32, border: int) -> Float32:
    """Erode 10 times by a 3x3 cross, dilate 5 times by a 5x5 ellipse, blur (sigma 5).

    Args:
        subject: H,W, 0..1.
        border: OpenCV's border type for the blur; erosion and dilation ignore what is outside.
    """
    eroded = cv2.erode(subject, _CROSS, iterations=10)
    dilated = cv2.dilate(eroded, _ELLIPSE, iterations=5)
    return np.asarray(cv2.GaussianBlur(dilated, _BLUR, 0, borderType=border), np.float32)


def largest_component(alpha: Array, above: float) -> npt.NDArray[np.bool_]:
    """The largest 8-connected region with alpha above a value; empty where there is none."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(
        (alpha > above).astype(np.uint8), connectivity=8
    )
    if count == 1:  # the background alone
        return np.zeros(alpha.shape, bool)
    region: npt.NDArray[np.bool_] = labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())
    return region
