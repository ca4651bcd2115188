"""Pictures with known layers: a labelled subject, moved, over another background."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.composite import composite
from mattecli.records import Size
from mattecli.training.backdrops import backdrop
from mattecli.training.store import PictureStore

__all__ = ["Composite", "Cut", "compose", "moved_composite", "resized_cut", "still_composite"]

Levels = npt.NDArray[np.uint8]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Composite:
    """A picture and what it was made of; levels, colours H,W,3 RGB, alpha H,W."""

    image: Levels
    foreground: Levels
    background: Levels
    alpha: Levels


@dataclass(frozen=True, slots=True)
class Cut:
    """A square of a picture.

    Attributes:
        left, top: its corner; inside the picture where the square fits in.
        side: pixels.
    """

    left: int
    top: int
    side: int

    @classmethod
    def around_unknown(cls, alpha: Levels, side: int, rng: Random) -> Cut:
        """A square whose centre is a random pixel of 0 < alpha < 255 (any, if there is none),
        pushed inside the picture.
        """
        height, width = alpha.shape
        rows, columns = np.nonzero((alpha > 0) & (alpha < 255))
        if rows.size:
            chosen = int(rng.integers(rows.size))
            y, x = int(rows[chosen]), int(columns[chosen])
        else:
            y, x = int(rng.integers(height)), int(rng.integers(width))
        left = min(max(x - side // 2, 0), max(width - side, 0))
        return cls(left, min(max(y - side // 2, 0), max(height - side, 0)), side)


def compose(foreground: Levels, background: Levels, alpha: Levels) -> Composite:
    """Put a foreground over a background of the same size."""
    image = np.asarray(composite(foreground, alpha, background), np.uint8)
    return Composite(image, foreground, background, alpha)


def still_composite(store: PictureStore, rng: Random, least: int) -> Composite:
    """A labelled photo's subject where it stood, over another background.

    Args:
        store: labelled photos and backgrounds.
        rng: random stream.
        least: the shorter side is enlarged to this, where it is less.
    """
    subject = store.subject(int(rng.integers(len(store.entries))))
    height, width = subject.alpha.shape
    scale = max(1.0, least / min(height, width))
    size = Size(int(np.ceil(width * scale)), int(np.ceil(height * scale)))
    front = np.asarray(cv2.resize(subject.foreground, size), np.uint8)
    alpha = np.asarray(cv2.resize(subject.alpha, size), np.uint8)
    flip = slice(None, None, -1 if rng.random() < 0.5 else 1)
    front, alpha = np.ascontiguousarray(front[:, flip]), np.ascontiguousarray(alpha[:, flip])
    return compose(front, backdrop(store, size, rng), alpha)


def moved_composite(
    store: PictureStore, size: Size, rng: Random, scales: tuple[float, float]
) -> Composite:
    """A labelled photo's subject under a random affine map, over another background.

    Lin et al., Background Matting V2: rotation and shear within 5 degrees, translation within a
    tenth, a scale relative to the one that covers the picture, a flip.

    Args:
        store: labelled photos and backgrounds.
        size: of the result.
        rng: random stream.
        scales: smallest and largest.
    """
    subject = store.subject(int(rng.integers(len(store.entries))))
    height, width = subject.alpha.shape
    covering = max(size.width / width, size.height / height)
    scale = covering * rng.uniform(*scales)
    turn, lean = np.deg2rad(rng.uniform(-5, 5, 2))
    mirror = -1.0 if rng.random() < 0.5 else 1.0
    linear = scale * np.array(
        (
            (mirror * np.cos(turn), -np.sin(turn + lean)),
            (mirror * np.sin(turn), np.cos(turn + lean)),
        )
    )
    shift = rng.uniform(-0.1, 0.1, 2) * (size.width, size.height)
    target = np.array((size.width, size.height)) / 2 + shift
    offset = target - linear @ (width / 2, height / 2)
    matrix = np.column_stack((linear, offset))
    front = cv2.warpAffine(subject.foreground, matrix, size, borderMode=cv2.BORDER_REPLICATE)
    alpha = cv2.warpAffine(subject.alpha, matrix, size)
    return compose(
        np.asarray(front, np.uint8), backdrop(store, size, rng), np.asarray(alpha, np.uint8)
    )


def resized_cut(whole: Composite, cut: Cut, side: int) -> Composite:
    """``cut`` of all layers, scaled to a square of ``side``."""
    rows, columns = slice(cut.top, cut.top + cut.side), slice(cut.left, cut.left + cut.side)
    method = cv2.INTER_AREA if cut.side > side else cv2.INTER_LINEAR
    layers = (whole.image, whole.foreground, whole.background, whole.alpha)
    parts = [
        np.asarray(cv2.resize(layer[rows, columns], (side, side), interpolation=method), np.uint8)
        for layer in layers
    ]
    return Composite(*parts)
