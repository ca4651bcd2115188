"""Foreground and background colours of labelled photos, to compose new pictures from."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["Layers", "separate"]

Float32 = npt.NDArray[np.float32]
Levels = npt.NDArray[np.uint8]

_WIDE, _NARROW = 90, 6  # the two radii of Forte's method, pixels
_TINY = np.float32(1e-5)


class Layers(NamedTuple):
    """A photo taken apart: both H,W,3 RGB levels; defined everywhere, plausible where unseen."""

    foreground: Levels
    background: Levels


def separate(photo: Levels, alpha: Levels) -> Layers:
    """Estimate the colours in front and behind.

    Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021 (blur fusion, twice), with
    the background kept at the first pass and holes filled from their surroundings.

    Args:
        photo: H,W,3 RGB.
        alpha: H,W.
    """
    color = photo.astype(np.float32) * np.float32(1 / 255)
    share = (alpha.astype(np.float32) * np.float32(1 / 255))[..., None]
    first = _fuse(color, color, color, share, _WIDE)
    second = _fuse(color, first[0], first[1], share, _NARROW)
    return Layers(_levels(second[0]), _levels(_filled(color, share)))


def _fuse(
    color: Float32, front: Float32, back: Float32, share: Float32, radius: int
) -> tuple[Float32, Float32]:
    rest = 1 - share
    blurred_front = _blur(front * share, radius) / (_blur(share, radius)[..., None] + _TINY)
    blurred_back = _blur(back * rest, radius) / (_blur(rest, radius)[..., None] + _TINY)
    error = color - share * blurred_front - rest * blurred_back
    fused: Float32 = np.clip(blurred_front + share * error, 0, 1)
    return fused, np.clip(blurred_back, 0, 1)


def _blur(image: Float32, radius: int) -> Float32:
    return cv2.blur(image, (2 * radius + 1, 2 * radius + 1)).astype(np.float32, copy=False)


def _filled(color: Float32, share: Float32) -> Float32:
    """The photo with its subject replaced by ever wider means of what surrounds it."""
    seen = (share < 0.02).astype(np.float32)
    seen = cv2.erode(seen[..., 0], np.ones((5, 5), np.uint8))[..., None].astype(np.float32)
    total = color * seen
    weight = seen
    levels = [(total, weight)]
    while min(total.shape[:2]) > 1:
        size = (max(1, total.shape[1] // 2), max(1, total.shape[0] // 2))
        total = cv2.resize(total, size, interpolation=cv2.INTER_AREA)
        weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
        total, weight = total.reshape(*size[::-1], 3), weight.reshape(*size[::-1], 1)
        levels.append((total, weight))
    filled = levels[-1][0] / np.maximum(levels[-1][1], _TINY)
    for total, weight in reversed(levels[:-1]):
        wider = cv2.resize(filled, total.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        trust = np.minimum(weight * 2, 1)
        filled = trust * total / np.maximum(weight, _TINY) + (1 - trust) * wider
    return filled.astype(np.float32, copy=False)


def _levels(image: Float32) -> Levels:
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
