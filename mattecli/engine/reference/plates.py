"""How the two background-matting projects' scripts prepare a plate.

Both register it with few features and no check of the outcome; `mattecli.ops.align` is what the
tool does by default.
"""

from __future__ import annotations

import cv2
import numpy as np

from mattecli.errors import PlateError
from mattecli.records import Array, Size

__all__ = ["bgm_aligned", "bgmv2_aligned"]

_CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
_KEPT = 0.15  # of the matches


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
            "the script's alignment finds no homography", remedy="leave --reference out, or --align"
        )
    return homography


def _grey(image: Array) -> Array:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
