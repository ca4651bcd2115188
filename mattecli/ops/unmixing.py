"""What the estimators of foreground colour share: pieces of a photo, and layers of colour.

Colours of both layers travel together as *layers*: float32 2,3,H,W, the foreground's R, G, B and
the background's, in 0..1 for levels. At each pixel the photo is I = a*F + (1-a)*B.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mattecli.ops.blocks import Slices
from mattecli.ops.pixels import Float32, to_float, white_of
from mattecli.records import Array

__all__ = ["CLEAR", "Limits", "MixedPhoto", "Mixture", "SampledLayers"]

CLEAR = np.float32(0.5 / 255)
"""A layer whose share (alpha, or 1 - alpha) is no more than this is invisible at 8 bits."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The lowest and highest value a colour may take."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Mixture:
    """A piece of a photo.

    Attributes:
        color: 3,H,W float32.
        alpha: H,W float32, 0..1.
    """

    color: Float32
    alpha: Float32

    def every(self, step: int) -> Mixture:
        """The pixels whose row and column divide by ``step``."""
        return Mixture(
            np.ascontiguousarray(self.color[:, ::step, ::step]),
            np.ascontiguousarray(self.alpha[::step, ::step]),
        )

    @property
    def shares(self) -> Float32:
        """How much of either layer is seen: 2,1,H,W, alpha and 1 - alpha."""
        return np.stack([self.alpha[None], 1 - self.alpha[None]])

    def explained(self, layers: Float32, limits: Limits) -> Float32:
        """The foreground of the layers nearest to ``layers`` that mix to this piece exactly.

        Args:
            layers: 2,3,H,W.
            limits: range of colours, in which the result is kept.

        Returns:
            3,H,W.
        """
        alpha, clear = self.shares[:, 0]
        residual = np.multiply(alpha, layers[0])
        np.subtract(self.color, residual, out=residual)
        residual -= clear * layers[1]
        weights = alpha * alpha
        weights += clear * clear
        foreground: Float32 = np.multiply(residual, alpha / weights, out=residual)
        foreground += layers[0]
        return np.clip(foreground, limits.low, limits.high, out=foreground)


class MixedPhoto:
    """A photo and its alpha, read piece by piece.

    Args:
        color: H,W,3 RGB; uint8, uint16 or float32.
        alpha: H,W; levels, or float32 0..1.
    """

    def __init__(self, color: Array, alpha: Array) -> None:
        self.color = color
        self.alpha = alpha
        self.limits = _limits(color)

    def piece(self, part: Slices) -> Mixture:
        """A part of the photo."""
        color = to_float(self.color[part])
        if np.issubdtype(self.color.dtype, np.floating):
            color = np.nan_to_num(color, nan=0, posinf=self.limits.high, neginf=self.limits.low)
        planes = np.empty((3, *color.shape[:2]), np.float32)
        cv2.split(color, list(planes))
        return Mixture(planes, self.alpha_of(part))

    def alpha_of(self, part: Slices) -> Float32:
        """Alpha of a part, contiguous, kept within 0..1; NaN counts as 0."""
        alpha = np.fmax(to_float(self.alpha[part]), 0)
        return np.minimum(alpha, 1, out=alpha)

    def alpha_range(self, part: Slices) -> tuple[float, float]:
        """Lowest and highest alpha of a part, in 0..1 for levels too."""
        low, high, _, _ = cv2.minMaxLoc(self.alpha[part])
        white = white_of(self.alpha.dtype)
        return low / white, high / white

    def sampled(self, step: int) -> Mixture:
        """The middle pixel of every square of ``step`` pixels; at least one pixel in all."""
        rows, columns = (
            slice(min(step // 2, (length - 1) // 2), length, step) for length in self.alpha.shape
        )
        return self.piece((rows, columns))


def _limits(color: Array) -> Limits:
    """0..1 for levels; for floats as wide as the photo's own range, if that is wider."""
    if not np.issubdtype(color.dtype, np.floating):
        return Limits(0, 1)
    finite = np.isfinite(color)
    return Limits(
        float(np.min(color, where=finite, initial=0)),
        float(np.max(color, where=finite, initial=1)),
    )


class SampledLayers:
    """Layers known at the pixels of ``MixedPhoto.sampled``.

    Args:
        layers: 2,3,h,w.
        step: the step of the sampling.

    Attributes:
        samples: the layers at the samples, 2,3,h,w.
        step: the step of the sampling.
    """

    def __init__(self, layers: Float32, step: int) -> None:
        self.samples = layers
        self.step = step
        # The last square has no sample if less than half of it is in the photo: repeat the edge.
        self._layers = np.pad(layers, ((0, 0), (0, 0), (0, 1), (0, 1)), mode="edge")

    def at(self, part: Slices) -> Float32:
        """Layers of a part of the photo, 2,3,H,W, interpolated bilinearly between the samples."""
        step = self.step
        if step == 1:
            return self._layers[..., *part].copy()
        rows, columns = (slice(max(s.start // step - 1, 0), s.stop // step + 2) for s in part)
        near = self._layers[..., rows, columns]
        height, width = (side * step for side in near.shape[2:])
        full = np.empty((2, 3, height, width), np.float32)
        for index in np.ndindex(2, 3):
            cv2.resize(near[index], (width, height), dst=full[index])
        top, left = part[0].start - rows.start * step, part[1].start - columns.start * step
        wanted = full[..., top:, left:]
        return wanted[..., : part[0].stop - part[0].start, : part[1].stop - part[1].start]
