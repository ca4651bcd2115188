"""How the two background-matting projects' scripts prepare a plate.

Both register it with few features and no check of the outcome; `mattecli.ops.align` is what the
tool does by default.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.errors import PlateError
from mattecli.records import Array, Size

__all__ = ["ScriptExposure", "bgm_aligned", "bgm_exposure", "bgmv2_aligned"]

Float64 = npt.NDArray[np.float64]

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_KEPT = 0.15  # of the matches


@dataclass(frozen=True, slots=True, eq=False)
class ScriptExposure:
    """``gain * plate + bias``, one value for each channel, colours 0..1."""

    gain: Float64
    bias: Float64


def bgm_aligned(plate: Array, photo: Array, mask: Array) -> Array:
    """Background Matting's alignment: AKAZE where this OpenCV has it, else SIFT.

    Args:
        plate, photo: uint8, H,W,3 RGB, of one size.
        mask: uint8, H,W; at 255 a hole is filled from the plate as it was, elsewhere with the
            photo. Black pixels count as holes.

    Raises:
        PlateError: fewer than four features match.
    """
    detector = cv2.AKAZE_create() if hasattr(cv2, "AKAZE_create") else cv2.SIFT.create()
    size = Size.of(photo)
    warped = cv2.warpPerspective(plate, _homography(detector, plate, photo), size)
    hole = warped.sum(axis=2) == 0
    warped[hole] = photo[hole]
    inside = hole & (mask == 255)
    warped[inside] = plate[inside]
    return warped


def bgmv2_aligned(plate: Array, photo: Array) -> Array:
    """Background Matting V2's alignment: ORB; holes are filled with the photo.

    Args:
        plate, photo: uint8, H,W,3 RGB; their sizes may differ.

    Raises:
        PlateError: fewer than four features match.
    """
    size = Size.of(photo)
    homography = _homography(cv2.ORB.create(), plate, photo)
    warped = cv2.warpPerspective(plate, homography, size)
    # As published: the picture of ones has the photo's size even where the plate's differs.
    hole = cv2.warpPerspective(np.ones(photo.shape[:2], np.float32), homography, size) != 1
    warped[hole] = photo[hole]
    return warped


def bgm_exposure(plate: Array, photo: Array, mask: Array) -> ScriptExposure:
    """Background Matting's gain and bias, which its Python scripts have switched off.

    Args:
        plate, photo: float, H,W,3, 0..1, registered.
        mask: of the subject, H,W; above 0 is subject.

    Returns:
        gain = std(photo) / std(plate), bias = mean(photo) - gain * mean(plate), over the ring
        between 10 and 300 pixels (city-block distance) from the subject.
    """
    subject = (mask > 0).astype(np.uint8)
    ring = cv2.dilate(subject, _CROSS, iterations=300) > cv2.dilate(subject, _CROSS, iterations=10)
    x, y = plate[ring].astype(np.float64), photo[ring].astype(np.float64)
    gain = y.std(axis=0) / x.std(axis=0)
    return ScriptExposure(gain, bias=y.mean(axis=0) - gain * x.mean(axis=0))


def _homography(detector: cv2.Feature2D, plate: Array, photo: Array) -> Array:
    """From plate to photo: brute-force matches by L2 (as published, also for bits), RANSAC."""
    found = [detector.detectAndCompute(_grey(image), None) for image in (plate, photo)]
    (plate_points, plate_bits), (photo_points, photo_bits) = found
    matches = []
    if plate_points and photo_points:
        matches = list(cv2.BFMatcher(cv2.NORM_L2).match(plate_bits, photo_bits))
    matches = sorted(matches, key=lambda match: match.distance)[: int(len(matches) * _KEPT)]
    start = np.array([plate_points[match.queryIdx].pt for match in matches])
    end = np.array([photo_points[match.trainIdx].pt for match in matches])
    homography = cv2.findHomography(start, end, cv2.RANSAC)[0] if len(matches) >= 4 else None
    if homography is None:
        raise PlateError(
            "the script's alignment finds no homography", remedy="leave out --reference"
        )
    return homography


def _grey(image: Array) -> Array:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
