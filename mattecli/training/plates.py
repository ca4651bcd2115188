"""What differs between a photo and a separate picture of its background: shadow, noise, light,
small displacements. Levels in, levels out; H,W,3 RGB and H,W.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.composite import composite
from mattecli.records import Size

__all__ = ["Photographed", "photographed", "rephotographed", "rough_mask"]

Levels = npt.NDArray[np.uint8]
Random = np.random.Generator
Photographed = tuple[Levels, Levels]
"""A photo and its plate."""


def photographed(
    foreground: Levels, background: Levels, alpha: Levels, rng: Random
) -> Photographed:
    """A composed photo and its background plate, each with its own flaws.

    Lin et al., Background Matting V2, section 4.3: in this order a shadow of the subject on the
    photo's background, noise on both, another light and a small displacement on the plate.
    """
    behind = _shadowed(background, alpha, rng) if rng.random() < 0.3 else background
    photo, plate = np.asarray(composite(foreground, alpha, behind), np.uint8), background
    if rng.random() < 0.4:
        photo, plate = _noisy(photo, rng), _noisy(plate, rng)
    if rng.random() < 0.8:
        plate = _relit(plate, rng)
    if rng.random() < 0.3:
        plate = _displaced(plate, rng)
    return photo, plate


def rephotographed(background: Levels, rng: Random) -> Levels:
    """A plate as Background Matting disturbs it: noise, or another gamma.

    Sengupta et al., section 4.1: noise with probability 0.4 (standard deviation 2 to 5 levels,
    mean -7 to 6), else a gamma of 1 with standard deviation 0.12.
    """
    if rng.random() < 0.4:
        noise = rng.normal(rng.uniform(-7, 6), rng.uniform(2, 5), background.shape)
        return _levels(background + noise)
    gamma = max(0.3, rng.normal(1, 0.12))
    table = np.rint(255 * (np.arange(256) / 255) ** gamma).astype(np.uint8)
    return np.asarray(cv2.LUT(background, table), np.uint8)


def rough_mask(alpha: Levels, rng: Random) -> Levels:
    """The mask of a segmentation network: eroded, dilated, with holes, blurred.

    Sengupta et al., as its training does it for pictures of 512; amounts scale with the size.

    Args:
        alpha: H,W.
        rng: random stream.
    """
    scale = min(alpha.shape) / 512
    ellipse = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    mask = ((alpha > 0) * 255).astype(np.uint8)
    mask = np.asarray(cv2.erode(mask, ellipse, iterations=_scaled(rng, 10, 20, scale)), np.uint8)
    mask = np.asarray(cv2.dilate(mask, ellipse, iterations=_scaled(rng, 15, 30, scale)), np.uint8)
    rows, columns = np.nonzero((alpha > 0) & (alpha < 255))
    for _ in range(int(rng.integers(3)) if rows.size else 0):
        chosen, side = int(rng.integers(rows.size)), _scaled(rng, 15, 46, scale)
        mask[rows[chosen] : rows[chosen] + side, columns[chosen] : columns[chosen] + side] = 0
    blur = 2 * (int(rng.choice((21, 31, 41)) * scale) // 2) + 1
    return np.asarray(cv2.GaussianBlur(mask, (blur, blur), 0), np.uint8)


def _scaled(rng: Random, low: int, high: int, scale: float) -> int:
    return max(1, round(int(rng.integers(low, high)) * scale))


def _shadowed(background: Levels, alpha: Levels, rng: Random) -> Levels:
    size = Size.of(alpha)
    matrix = _affine(size, rng, degrees=5, shift=0.2, scales=(0.5, 1.5))
    cast = cv2.warpAffine(alpha, matrix, size)
    side = int(rng.integers(20, 40))
    depth = cv2.blur(cast, (side, side)).astype(np.float32) * np.float32(rng.uniform(0, 0.3))
    return _levels(background - depth[..., None])


def _noisy(image: Levels, rng: Random) -> Levels:
    spread = rng.uniform(0, 0.03) * 255
    noise = rng.standard_normal(image.shape, np.float32) * np.float32(spread)
    return _levels(image + noise)


def _relit(image: Levels, rng: Random) -> Levels:
    """Brightness, contrast and saturation within 0.18, hue within a tenth of the circle."""
    brightness, contrast, saturation = rng.uniform(0.82, 1.18, 3)
    hsv = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL).astype(np.float32)
    hsv[..., 0] = (hsv[..., 0] + rng.uniform(-0.1, 0.1) * 256) % 256
    hsv[..., 1] = np.clip(hsv[..., 1] * saturation, 0, 255)
    turned = cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2RGB_FULL).astype(np.float32)
    turned *= np.float32(brightness)
    middle = turned.mean()
    return _levels((turned - middle) * np.float32(contrast) + middle)


def _levels(image: npt.NDArray[Any]) -> Levels:
    return np.asarray(np.rint(np.clip(image, 0, 255)), np.uint8)


def _displaced(image: Levels, rng: Random) -> Levels:
    size = Size.of(image)
    matrix = _affine(size, rng, degrees=1, shift=0.01, scales=(1, 1))
    moved = cv2.warpAffine(image, matrix, size, borderMode=cv2.BORDER_REFLECT_101)
    return np.asarray(moved, np.uint8)


def _affine(
    size: Size, rng: Random, *, degrees: float, shift: float, scales: tuple[float, float]
) -> npt.NDArray[np.float64]:
    turn = float(rng.uniform(-degrees, degrees))
    matrix = cv2.getRotationMatrix2D(
        (size.width / 2, size.height / 2), turn, float(rng.uniform(*scales))
    )
    offset = rng.uniform(-shift, shift, 2) * np.array(size)
    matrix = matrix + np.column_stack((np.zeros((2, 2)), offset))
    return np.asarray(matrix, np.float64)
