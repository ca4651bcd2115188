"""What the estimators of foreground colour share: the photo as planes, and the split of a residual.

Colours of both layers travel together as *layers*: float32 6,H,W, the foreground's R, G, B and
then the background's, in 0..1 for levels. At each pixel the photo is I = a*F + (1-a)*B.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mattecli.ops.blocks import Slices
from mattecli.ops.pixels import Float32, to_float
from mattecli.records import Array

__all__ = ["COARSE", "Limits", "Mixture", "Photo", "enlarged"]

COARSE = 4
"""Every so many-th pixel is used for a first guess of both layers over the whole photo."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The lowest and highest value a colour may take."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Mixture:
    """A piece of a photo, contiguous.

    Attributes:
        color: 3,H,W float32.
        alpha: H,W float32, 0..1.
    """

    color: Float32
    alpha: Float32

    def every(self, step: int) -> Mixture:
        """The pixels whose row and column in the piece divide by ``step``."""
        return Mixture(
            np.ascontiguousarray(self.color[:, ::step, ::step]),
            np.ascontiguousarray(self.alpha[::step, ::step]),
        )

    def explained(self, layers: Float32, limits: Limits) -> Float32:
        """The layers nearest to ``layers`` that mix to this piece exactly, then kept in limits."""
        alpha, rest = self.alpha, 1 - self.alpha
        residual = self.color - alpha * layers[:3] - rest * layers[3:]
        residual /= alpha * alpha + rest * rest
        exact = np.empty_like(layers)
        np.multiply(alpha, residual, out=exact[:3])
        np.multiply(rest, residual, out=exact[3:])
        exact += layers
        return np.clip(exact, limits.low, limits.high, out=exact)


class Photo:
    """A photo and its alpha, read piece by piece.

    Args:
        color: H,W,3 RGB; uint8, uint16 or float32.
        alpha: H,W; levels, or float32 0..1.
    """

    def __init__(self, color: Array, alpha: Array) -> None:
        self.color = color
        self.alpha = alpha
        self.limits = _limits(color)

    def piece(self, part: Slices, step: int = 1) -> Mixture:
        """A part of the photo, or every ``step``-th row and column of it."""
        rows, columns = (slice(s.start, s.stop, step) for s in part)
        color = to_float(np.ascontiguousarray(self.color[rows, columns]))
        if np.issubdtype(self.color.dtype, np.floating):
            color = np.nan_to_num(color, nan=0, posinf=self.limits.high, neginf=self.limits.low)
        planes = np.empty((3, *color.shape[:2]), np.float32)
        cv2.split(color, list(planes))
        return Mixture(planes, self.alpha_of((rows, columns)))

    def alpha_of(self, part: Slices) -> Float32:
        """Alpha of a part, contiguous, kept within 0..1; what is no number counts as 0."""
        alpha = to_float(self.alpha[part])
        return np.minimum(np.fmax(alpha, 0), 1)

    def coarse(self) -> Mixture:
        """Every ``COARSE``-th row and column of the whole photo."""
        height, width = self.alpha.shape
        return self.piece((slice(0, height), slice(0, width)), COARSE)


def _limits(color: Array) -> Limits:
    """0..1 for levels; floats may go as far as the photo itself does."""
    if not np.issubdtype(color.dtype, np.floating):
        return Limits(0, 1)
    finite = np.isfinite(color)
    return Limits(
        float(np.min(color, where=finite, initial=0)),
        float(np.max(color, where=finite, initial=1)),
    )


def enlarged(layers: Float32, factor: int, shape: tuple[int, int], *, smooth: bool) -> Float32:
    """Layers that were sampled at every ``factor``-th pixel, at all pixels.

    Args:
        layers: N,h,w.
        factor: the step of the sampling.
        shape: height and width wanted; at most ``factor`` times those of ``layers``.
        smooth: interpolate bilinearly rather than repeat the sample.
    """
    planes, height, width = layers.shape
    full = np.empty((planes, height * factor, width * factor), np.float32)
    how = cv2.INTER_LINEAR if smooth else cv2.INTER_NEAREST
    for small, large in zip(layers, full, strict=True):
        cv2.resize(small, (width * factor, height * factor), dst=large, interpolation=how)
    return np.ascontiguousarray(full[:, : shape[0], : shape[1]])
