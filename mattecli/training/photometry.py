"""What happens to the light and the file of a photo: exposure, tint, blur, noise, compression.

Every function takes and returns H,W,3 RGB levels (uint8) and draws from the generator it is
given, so that a picture is a function of its seed.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["compressed", "degraded", "relit"]

Levels = npt.NDArray[np.uint8]
Table = npt.NDArray[np.float32]
Random = np.random.Generator


def relit(image: Levels, rng: Random, strength: float = 1.0) -> Levels:
    """Other exposure, contrast and colour of light, as one table for each channel.

    Args:
        image: H,W,3.
        rng: random stream.
        strength: 1 for whole photos; less to make a pasted subject differ from its surroundings.
    """
    gamma = np.exp(rng.normal(0, 0.18 * strength))
    contrast = np.exp(rng.normal(0, 0.15 * strength))
    shift = rng.normal(0, 0.05 * strength)
    gains = np.exp(rng.normal(0, 0.06 * strength, 3))
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    curve = (np.power(ramp, gamma) - 0.5) * contrast + 0.5 + shift
    return _through(image, (curve * gains).astype(np.float32))


def degraded(image: Levels, rng: Random) -> Levels:
    """A finished picture as it may lie in a folder: relit, extreme, grey, blurred, compressed."""
    if rng.random() < 0.7:
        image = relit(image, rng)
    if rng.random() < 0.18:
        image = _extreme(image, rng)
    if rng.random() < 0.10:
        image = _less_colour(image, rng)
    if rng.random() < 0.15:
        image = _softened(image, rng)
    if rng.random() < 0.25:
        image = _noisy(image, rng)
    if rng.random() < 0.35:
        image = compressed(image, rng)
    return image


def _through(image: Levels, curves: Table) -> Levels:
    table = np.rint(np.clip(curves, 0, 1) * 255).astype(np.uint8)
    return np.asarray(cv2.LUT(image, table.reshape(1, 256, 3)), np.uint8)


def _extreme(image: Levels, rng: Random) -> Levels:
    """Night, over-exposure, or strongly coloured light."""
    ramp = np.linspace(0, 1, 256, dtype=np.float32)[:, None]
    kind = rng.integers(3)
    power, factor, shift = 1.0, 1.0, 0.0
    if kind == 0:
        power, factor = rng.uniform(1.2, 2.4), rng.uniform(0.35, 0.9)
    elif kind == 1:
        factor, shift = rng.uniform(1.2, 2.0), rng.uniform(0, 0.15)
    curve = np.power(ramp, power) * factor + shift
    gains = rng.uniform(0.55, 1.2, 3) if kind == 2 or rng.random() < 0.3 else np.ones(3)
    return _through(image, (curve * gains).astype(np.float32))


def _less_colour(image: Levels, rng: Random) -> Levels:
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    toned = cv2.merge((grey, grey, grey))
    if rng.random() < 0.3:  # sepia and its like
        toned = relit(np.asarray(toned, np.uint8), rng, strength=2)
    share = 1.0 if rng.random() < 0.7 else rng.uniform(0.3, 0.9)
    return np.asarray(cv2.addWeighted(toned, share, image, 1 - share, 0), np.uint8)


def _softened(image: Levels, rng: Random) -> Levels:
    """Out of focus, shaken, or enlarged from a smaller file."""
    height, width = image.shape[:2]
    kind = rng.integers(3)
    if kind == 0:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 2.2)), np.uint8)
    if kind == 1:
        side = int(rng.integers(3, 10))
        kernel = np.zeros((side, side), np.float32)
        angle = rng.uniform(0, np.pi)
        reach = np.array([np.cos(angle), np.sin(angle)]) * side / 2
        ends = [tuple(int(v) for v in np.rint(side / 2 + sign * reach)) for sign in (-1, 1)]
        cv2.line(kernel, ends[0], ends[1], 1.0)
        total = max(float(kernel.sum()), 1.0)
        return np.asarray(cv2.filter2D(image, -1, kernel / total), np.uint8) if total > 1 else image
    factor = rng.uniform(0.35, 0.8)
    size = (max(8, int(width * factor)), max(8, int(height * factor)))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height)), np.uint8)


def _noisy(image: Levels, rng: Random) -> Levels:
    grey = rng.random() < 0.4
    noise = np.zeros(image.shape[:2] if grey else image.shape, np.int16)
    cv2.setRNGSeed(int(rng.integers(2**31)))  # OpenCV's normal draws are much faster than NumPy's
    spread = float(rng.uniform(2, 14))
    cv2.randn(noise, (0.0,) * 4, (spread,) * 4)  # type: ignore[call-overload] # takes scalars
    if grey:
        noise = np.asarray(cv2.merge((noise, noise, noise)), np.int16)
    return np.asarray(cv2.add(image, noise, dtype=cv2.CV_8U), np.uint8)


def compressed(image: Levels, rng: Random) -> Levels:
    """Through JPEG of random quality."""
    quality = int(rng.integers(20, 92))
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)  # channel order goes through
