"""Blur-fusion foreground estimation.

Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021: each layer is the mean of the
photo around a pixel, weighted by how much of that layer is seen; what the two means do not
explain is added. A first, wide pass looks for the layers; a second, narrow one works on its
result. The wide means are smooth and are taken over every fourth pixel.
"""

from __future__ import annotations

import cv2
import numpy as np

from mattecli.ops.blocks import Slices
from mattecli.ops.pixels import Float32
from mattecli.ops.unmixing import COARSE, Mixture, Photo, enlarged

__all__ = ["BlurFusionSolver"]

_WIDE, _NARROW = 90, 6  # the published radii, pixels
_TINY = np.float32(1e-5)


class BlurFusionSolver:
    """Both layers of any part of a photo."""

    def __init__(self, photo: Photo) -> None:
        self._limits = photo.limits
        mixture = photo.coarse()
        stacked = np.concatenate([mixture.color, mixture.color])
        self._coarse = _local_means(stacked, mixture.alpha, round(_WIDE / COARSE))

    def layers(self, part: Slices, piece: Mixture) -> Float32:
        """Layers of a piece of the photo.

        Values nearer than 6 pixels to a border of the piece depend on where it was cut.

        Args:
            part: where the piece lies; its first row and column must divide by ``COARSE``.
            piece: the photo there.

        Returns:
            6,H,W.
        """
        rows, columns = (slice(s.start // COARSE, -(-s.stop // COARSE)) for s in part)
        means = enlarged(self._coarse[:, rows, columns], COARSE, piece.alpha.shape, smooth=True)
        means[:3] = self._fused(means, piece)
        means = _local_means(means, piece.alpha, _NARROW)
        means[:3] = self._fused(means, piece)
        return means

    def _fused(self, means: Float32, piece: Mixture) -> Float32:
        """The foreground: its mean and, where it is seen, what both means leave unexplained."""
        alpha = piece.alpha
        residual = piece.color - alpha * means[:3] - (1 - alpha) * means[3:]
        residual *= alpha
        residual += means[:3]
        return np.clip(residual, self._limits.low, self._limits.high, out=residual)


def _local_means(layers: Float32, alpha: Float32, radius: int) -> Float32:
    """Mean of each layer over a square, weighted by how much of it is seen: 6,H,W."""
    square = (2 * radius + 1, 2 * radius + 1)
    means = np.empty_like(layers)
    for share, own in ((alpha, slice(0, 3)), (1 - alpha, slice(3, 6))):
        for plane, mean in zip(layers[own], means[own], strict=True):
            cv2.blur(plane * share, square, dst=mean)
        means[own] /= cv2.blur(share, square) + _TINY
    return means
