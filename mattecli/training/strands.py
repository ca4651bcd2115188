"""Loose hair and fur, drawn on subjects whose labels end smoothly.

Labels made by networks leave single hairs out, and what is trained on them learns to do the same.
Here thin strands grow from a subject's outline, in the colours found there: in tufts, straight,
bent or curled, fine or dense. They are drawn several times larger and then shrunk, so that a strand
thinner than a pixel covers its share of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.pixels import Float32

__all__ = ["Strands", "grow_strands"]

Levels = npt.NDArray[np.uint8]
Random = np.random.Generator

_TIMES = 3  # how much larger strands are drawn: the thinnest is a third of a pixel wide
_LAYERS = 3  # strands of one layer hide each other, those of different layers add up
_POINTS = 14
_MOST = 2500
_LEAST_OUTLINE = 20  # pixels
_SHIFT = 4  # fractional bits of the coordinates given to OpenCV


@dataclass(frozen=True, slots=True)
class _Kind:
    """Ranges for the strands of one subject; lengths are shares of its height.

    Attributes:
        density: strands for each pixel of outline.
        length: of a strand.
        spread: of directions about the outline's normal, radians.
        top: share of the subject's height, from its top, whose outline grows strands.
    """

    density: tuple[float, float]
    length: tuple[float, float]
    spread: tuple[float, float]
    top: tuple[float, float]


_KINDS = (
    _Kind(density=(1.0, 4.0), length=(0.05, 0.25), spread=(0.3, 0.9), top=(0.2, 0.6)),
    _Kind(density=(0.2, 1.2), length=(0.04, 0.28), spread=(0.3, 1.1), top=(0.15, 0.6)),
    _Kind(density=(3.0, 8.0), length=(0.01, 0.05), spread=(0.2, 0.6), top=(0.4, 1.0)),
)


@dataclass(frozen=True, slots=True)
class Strands:
    """Strands to be put over a picture.

    Attributes:
        colors: multiplied by coverage, H,W,3 RGB float32, 0..255.
        cover: H,W,1 float32, 0..1.
    """

    colors: Float32
    cover: Float32

    def over(self, colors: Float32) -> Float32:
        """Colours, H,W,3 float32 in levels, with the strands in front of them."""
        covered: Float32 = colors * (1 - self.cover) + self.colors
        return covered

    def added_to(self, alpha: Float32) -> Float32:
        """Alpha, H,W float32 0..1, with that of the strands."""
        cover = self.cover[..., 0]
        added: Float32 = alpha * (1 - cover) + cover
        return added


def grow_strands(colors: Levels, alpha: Levels, rng: Random) -> Strands | None:
    """Strands along the upper part of a subject's outline.

    Args:
        colors: of the picture or of its foreground, H,W,3 RGB.
        alpha: of the subject, H,W.
        rng: random stream.

    Returns:
        None where there is no outline.
    """
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    outline = _outline(alpha, rng.uniform(*kind.top))
    if outline is None:
        return None
    count = max(1, min(int(len(outline.roots) * rng.uniform(*kind.density)), _MOST))
    curves, tones = _grown(kind, outline, colors, count, rng)
    layers = min(_LAYERS, count)
    total = np.zeros((*alpha.shape, 4), np.float32)
    for part in range(layers):
        drawn = _drawn(curves[part::layers], tones[part::layers], alpha.shape)
        drawn *= np.float32(rng.uniform(0.35, 1.0) / 255)
        total *= 1 - drawn[..., 3:]
        total += drawn
    return Strands(total[..., :3] * np.float32(255), total[..., 3:])


@dataclass(frozen=True, slots=True)
class _Outline:
    """Where strands begin.

    Attributes:
        roots: points just inside the subject's edge, N,2 (x, y).
        normals: directions outwards, N, radians.
        height: the subject's, but no more than that of a head and shoulders as wide; pixels.
    """

    roots: Float32
    normals: Float32
    height: float


def _outline(alpha: Levels, top: float) -> _Outline | None:
    """The upper ``top`` of the subject's outline, or None where that is too short."""
    solid = (alpha >= 128).astype(np.uint8)
    rows = np.flatnonzero(solid.any(axis=1))
    if not rows.size:
        return None
    columns = np.flatnonzero(solid.any(axis=0))
    height = min(float(rows[-1] - rows[0] + 1), 1.5 * float(columns[-1] - columns[0] + 1))
    edge = solid - cv2.erode(solid, np.ones((5, 5), np.uint8), borderValue=1)
    edge[int(rows[0] + top * height) + 1 :] = 0
    edge[:3] = edge[:, :3] = edge[:, -3:] = 0  # cut by the picture's border, not an outline
    y, x = np.nonzero(edge)
    if len(y) < _LEAST_OUTLINE:
        return None
    smooth = cv2.GaussianBlur(solid.astype(np.float32), (0, 0), max(2.0, height / 80))
    down = cv2.Sobel(smooth, cv2.CV_32F, 0, 1)[y, x]
    across = cv2.Sobel(smooth, cv2.CV_32F, 1, 0)[y, x]
    normals = np.arctan2(-down, -across).astype(np.float32)
    return _Outline(np.stack((x, y), axis=1).astype(np.float32), normals, height)


def _grown(
    kind: _Kind, outline: _Outline, colors: Levels, count: int, rng: Random
) -> tuple[Float32, Float32]:
    """Strands as curves, count,points,2 (x, y), and their colours, count,3."""
    roots, height = outline.roots, outline.height
    tufts = max(1, count // int(rng.integers(1, 12)))  # strands of a tuft share a direction
    tuft = rng.integers(tufts, size=count)
    chosen = rng.integers(len(roots), size=tufts)[tuft]
    nearby = np.clip(chosen + rng.integers(-8, 9, count), 0, len(roots) - 1)
    spread = rng.uniform(*kind.spread)
    angle = (
        outline.normals[nearby] + rng.normal(0, spread, tufts)[tuft] + rng.normal(0, 0.15, count)
    )
    curl = rng.normal(0, rng.uniform(0.02, 0.2), tufts)[tuft] + rng.normal(0, 0.02, count)
    weight = rng.uniform(0, 0.12)
    longest = rng.uniform(*kind.length) * height
    step = longest * rng.uniform(0.3, 1.0, count) / _POINTS
    curves = np.empty((count, _POINTS, 2), np.float32)
    place = roots[nearby] + rng.normal(0, 0.7, (count, 2))
    for point in range(_POINTS):
        curves[:, point] = place
        place = place + step[:, None] * np.stack((np.cos(angle), np.sin(angle)), axis=1)
        angle = angle + curl + weight * np.cos(angle) + rng.normal(0, 0.05, count)
    x, y = roots[nearby].astype(int).T
    light = rng.uniform(0.7, 1.35, (count, 1)) * colors[y, x] + rng.normal(0, 5, (count, 3))
    return curves, np.clip(light, 0, 255).astype(np.float32)


def _drawn(curves: Float32, tones: Float32, shape: tuple[int, ...]) -> Float32:
    """Strands over nothing: H,W,4 premultiplied colours and coverage, 0..255."""
    height, width = shape[:2]
    canvas = np.zeros((height * _TIMES, width * _TIMES, 4), np.uint8)
    fixed = np.rint((curves * _TIMES + (_TIMES - 1) / 2) * 2**_SHIFT).astype(np.int32)
    for curve, tone in zip(fixed, tones.tolist(), strict=True):
        cv2.polylines(canvas, [curve], isClosed=False, color=(*tone, 255.0), shift=_SHIFT)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
