"""Trimaps made from a true alpha, as each system's training makes them.

Levels: 0 background, 128 unknown, 255 foreground; H,W uint8 in and out.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.trimap import BACKGROUND, FOREGROUND, UNKNOWN

__all__ = ["dim_trimap", "modnet_trimap", "shm_trimap"]

Levels = npt.NDArray[np.uint8]

_UNKNOWN = np.uint8(UNKNOWN)


def modnet_trimap(alpha: Levels, size: int) -> Levels:
    """Unknown within a square of ``size // 256 * 15`` pixels of the border.

    Ke et al.; the width as the maintainer gives it. Below 512 pixels the width scales with the
    size instead of in steps of 256.

    Args:
        alpha: H,W.
        size: the picture's side at training.
    """
    side = size // 256 * 15 if size >= 512 else max(3, size * 30 // 512)
    kernel = np.ones((side, side), np.uint8)
    sure = (alpha >= np.uint8(230)).astype(np.uint8)  # 0.9 of 255
    outer = cv2.dilate((alpha > 0).astype(np.uint8), kernel)
    inner = cv2.erode(sure, kernel)
    trimap: Levels = np.where(outer != inner, _UNKNOWN, sure * np.uint8(FOREGROUND))
    return trimap


def dim_trimap(alpha: Levels, kernel: int, iterations: int) -> Levels:
    """Deep Image Matting, section 3.3: dilated and eroded by a random amount.

    Args:
        alpha: H,W.
        kernel: side of the ellipse, 2 to 4.
        iterations: 5 to 14.
    """
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (kernel, kernel))
    dilated = cv2.dilate(alpha, ellipse, iterations=iterations)
    eroded = cv2.erode(alpha, ellipse, iterations=iterations)
    trimap = np.full_like(alpha, _UNKNOWN)
    trimap[eroded >= 255] = FOREGROUND
    trimap[dilated <= 0] = BACKGROUND
    return trimap


def shm_trimap(mask: Levels, size: int) -> Levels:
    """Semantic Human Matting: a mask's border, one dilation and one erosion.

    Args:
        mask: H,W, 0 or 255.
        size: side of the ellipse; 10 in the reference.
    """
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    dilated, eroded = cv2.dilate(mask, ellipse), cv2.erode(mask, ellipse)
    trimap: Levels = np.where((dilated != 0) & (eroded == 0), _UNKNOWN, mask)
    return trimap
