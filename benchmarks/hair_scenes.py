"""Photos of people with fine hair whose alpha is known, at 4 to 16 times a network's size.

No public matte of that size comes with the project, so they are made: a portrait, its own soft
edge cut back to a sharp one inside the subject, is enlarged; thousands of thin, tapered,
anti-aliased strands grow from its outline, each in the colour of where it grows; a lens' blur goes
over colours and alpha alike; the whole is put over another photo, and a sensor's noise is added.
Everything is drawn from a seed.

The portraits' folder holds ``image/NAME.webp`` and ``alpha/NAME.webp``, that of the backgrounds
any photos.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numba
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_NETWORK = 512
_POINTS = 24


@dataclass(frozen=True)
class Scene:
    """A photo that was put together.

    Attributes:
        photo: H,W,3 RGB uint8.
        alpha: H,W float32, the truth.
        foreground: H,W,3 float32 RGB 0..1, straight; where alpha is 0 it means nothing.
        background: H,W,3 float32.
    """

    photo: Array
    alpha: Array
    foreground: Array
    background: Array


@dataclass(frozen=True)
class Style:
    """How strands look; lengths in a network's pixels."""

    strands: int
    length: tuple[float, float]
    width: tuple[float, float]
    gravity: tuple[float, float]
    top_share: float


HAIR = Style(3000, (25, 130), (0.12, 0.42), (0.02, 0.10), 0.45)
FLYAWAY = Style(900, (25, 150), (0.10, 0.30), (0.0, 0.12), 0.5)
FUR = Style(12000, (8, 36), (0.10, 0.30), (0.0, 0.04), 1.0)
STYLES = {"hair": HAIR, "flyaway": FLYAWAY, "fur": FUR}


@numba.njit(cache=True)
def _draw(picture, under, owner, cover, points, widths, colour, strand):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202, PLR0913, PLR0917  # numba compiles it from plain arrays
    """One strand over a premultiplied RGBA picture; within it the widest coverage counts."""
    height, width = owner.shape
    for k in range(points.shape[0] - 1):
        x0, y0 = points[k]
        dx, dy = points[k + 1, 0] - x0, points[k + 1, 1] - y0
        first, last = widths[k] * 0.5, widths[k + 1] * 0.5
        reach = max(first, last) + 1.0
        squared = dx * dx + dy * dy + 1e-9
        for y in range(
            max(int(np.floor(min(y0, y0 + dy) - reach)), 0),
            min(int(np.ceil(max(y0, y0 + dy) + reach)) + 1, height),
        ):
            for x in range(
                max(int(np.floor(min(x0, x0 + dx) - reach)), 0),
                min(int(np.ceil(max(x0, x0 + dx) + reach)) + 1, width),
            ):
                along = min(max(((x - x0) * dx + (y - y0) * dy) / squared, 0.0), 1.0)
                away = np.sqrt((x - x0 - along * dx) ** 2 + (y - y0 - along * dy) ** 2)
                half = first + (last - first) * along
                share = min(min(away + 0.5, half) - max(away - 0.5, -half), 1.0)
                if share <= 0:
                    continue
                if owner[y, x] != strand:
                    owner[y, x], cover[y, x] = strand, 0
                    under[y, x] = picture[y, x]
                if share > cover[y, x]:
                    cover[y, x] = share
                    for c in range(3):
                        picture[y, x, c] = under[y, x, c] * (1 - share) + colour[c] * share
                    picture[y, x, 3] = under[y, x, 3] * (1 - share) + share


def _read(path: Path) -> Array:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert image is not None, path
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.float32) / 255


def _enlarged(image: Array, short: int) -> Array:
    scale = short / min(image.shape[:2])
    size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)


def _roots(alpha: Array, style: Style) -> tuple[Array, Array]:
    """Points along the subject's outline, inside it, and the directions outwards."""
    scale = min(alpha.shape) / _NETWORK
    small = cv2.resize(alpha, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
    solid = (small > 0.5).astype(np.uint8)
    smooth = cv2.GaussianBlur(solid.astype(np.float32), (0, 0), 6)
    down, across = np.gradient(-smooth)
    rows = np.flatnonzero(solid.any(axis=1))
    lowest = rows[0] + style.top_share * (rows[-1] - rows[0])
    edge = (solid > 0) & (cv2.erode(solid, np.ones((13, 13), np.uint8)) == 0)
    edge[int(lowest) :] = False
    edge[:8] = edge[-8:] = edge[:, :8] = edge[:, -8:] = False
    y, x = np.nonzero(edge)
    return np.stack([x, y], axis=1) * scale, np.arctan2(down[y, x], across[y, x])


def _grown(picture: Array, style: Style, rng: np.random.Generator) -> None:
    """Draw the strands, in place, over a premultiplied RGBA picture."""
    height, width = picture.shape[:2]
    scale = min(height, width) / _NETWORK
    roots, outwards = _roots(picture[..., 3], style)
    under, cover = np.zeros_like(picture), np.zeros((height, width), np.float32)
    owner = np.full((height, width), -1, np.int32)
    tones = picture.copy()
    for strand in range(style.strands):
        pick = rng.integers(len(roots))
        (x, y), angle = roots[pick], outwards[pick] + rng.normal(0, 0.35)
        pixel = tones[min(int(y), height - 1), min(int(x), width - 1)]
        tone = pixel[:3] / max(pixel[3], 0.05)
        stray = rng.random() < 0.06
        angle += rng.normal(0, 0.9) if stray else 0
        curl, gravity = rng.normal(0, 0.05), rng.uniform(*style.gravity)
        step = scale * rng.uniform(*style.length) / _POINTS
        points = np.empty((_POINTS, 2))
        for k in range(_POINTS):
            points[k] = x, y
            x, y = x + step * np.cos(angle), y + step * np.sin(angle)
            angle += curl + gravity * np.cos(angle) + rng.normal(0, 0.03)
        thick = scale * rng.uniform(*style.width) * (0.7 if stray else 1)
        widths = thick * (1 - 0.85 * np.linspace(0, 1, _POINTS) ** 2)
        colour = np.clip(tone * rng.uniform(0.65, 1.4) + rng.normal(0, 0.02, 3), 0, 1)
        _draw(picture, under, owner, cover, points, widths, colour, strand)


def _subject(image: Array, alpha: Array, short: int, rng: np.random.Generator) -> Array:
    """The portrait, large, premultiplied RGBA, with a sharp edge inside its own soft one."""
    scale = short / min(alpha.shape)
    large, soft = _enlarged(image, short), _enlarged(alpha, short)
    grain = rng.normal(0, 1, (large.shape[0] // 3 + 1, large.shape[1] // 3 + 1)).astype(np.float32)
    grain = cv2.resize(grain, (large.shape[1], large.shape[0]))
    large = np.clip(large * (1 + 0.03 * grain[..., None]), 0, 1)
    sharp = np.clip((soft - 0.85) * scale + 0.5, 0, 1)
    return np.dstack([large * sharp[..., None], sharp]).astype(np.float32)


def make_scene(
    portrait: Path, background: Path, short: int, style: str = "hair", seed: int = 0
) -> Scene:
    """One photo with its truth.

    Args:
        portrait: ``image/NAME.webp``, with its alpha in ``alpha/NAME.webp`` beside the folder.
        background: any photo.
        short: the short side, pixels.
        style: one of ``STYLES``.
        seed: of strands, lens and noise.
    """
    rng = np.random.default_rng(seed)
    own = _read(portrait.parent.parent / "alpha" / portrait.name)[..., 0]
    picture = _subject(_read(portrait), own, short, rng)
    _grown(picture, STYLES[style], rng)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.55, 0.8))
    alpha = np.ascontiguousarray(picture[..., 3]).clip(0, 1)
    height, width = alpha.shape
    behind = _read(background)
    scale = max(height / behind.shape[0], width / behind.shape[1])
    behind = _enlarged(behind, int(np.ceil(scale * min(behind.shape[:2]))) + 1)
    behind = np.clip(behind[:height, :width], 0, 1)
    photo = picture[..., :3] + (1 - alpha[..., None]) * behind
    for top in range(0, height, 256):
        rows = photo[top : top + 256]
        rows += rng.normal(0, 0.008, rows.shape).astype(np.float32)
    foreground = picture[..., :3] / np.maximum(alpha[..., None], 1e-4)
    return Scene(np.clip(np.rint(photo * 255), 0, 255).astype(np.uint8), alpha, foreground, behind)


def network_like(alpha: Array, seed: int = 0, short: int = _NETWORK) -> Array:
    """What a good network might say: small, soft, surer than it should be, wrong in places."""
    rng = np.random.default_rng(seed)
    scale = short / min(alpha.shape)
    width, height = (max(round(side * scale / 32) * 32, 32) for side in alpha.shape[::-1])

    def drift(every: int) -> Array:
        small = rng.normal(0, 1, (height // every, width // every)).astype(np.float32)
        return cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)

    small = cv2.resize(alpha, (width, height), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), 1.0)
    logit = np.log((small + 1e-3) / (1 - small + 1e-3))
    logit *= 1.15 * np.clip(1 + 0.15 * drift(16), 0.6, 1.6)
    return (1 / (1 + np.exp(-logit - 0.25 * drift(24)))).astype(np.float32)
