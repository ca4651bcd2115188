"""Blur-fusion foreground estimation.

Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021: each layer is the mean of the
photo around a pixel, weighted by how much of that layer is seen; what the two means do not
explain is added. A first, wide pass looks for the layers; a second, narrow one works on its
result. The wide means are smooth and are taken over every fourth pixel.
"""

from __future__ import annotations

import cv2
import numpy as np

from mattecli.ops.pixels import Float32
from mattecli.ops.unmixing import Limits, Mixture, Photo, SampledLayers

__all__ = ["NARROW", "blur_fusion_layers", "fused"]

_WIDE = 90  # the published radius of the first pass, pixels
NARROW = 6
"""The published radius of the second pass: how far away pixels have influence on ``fused``."""

_STEP = 4
_TINY = np.float32(1e-5)


def blur_fusion_layers(photo: Photo) -> SampledLayers:
    """The means of the first pass."""
    mixture = photo.sampled(_STEP)
    both = np.concatenate([mixture.color, mixture.color])
    return SampledLayers(_local_means(both, mixture.alpha, round(_WIDE / _STEP)), _STEP)


def fused(means: Float32, piece: Mixture, limits: Limits) -> Float32:
    """The rest of the first pass, and the second.

    Args:
        means: 6,H,W of the first pass; overwritten.
        piece: the photo there.
        limits: range of colours.
    """
    means[:3] = _foreground(means, piece, limits)
    means = _local_means(means, piece.alpha, NARROW)
    means[:3] = _foreground(means, piece, limits)
    return means


def _foreground(means: Float32, piece: Mixture, limits: Limits) -> Float32:
    """The foreground: its mean and, where it is seen, what both means leave unexplained."""
    alpha = piece.alpha
    residual = piece.color - alpha * means[:3] - (1 - alpha) * means[3:]
    residual *= alpha
    residual += means[:3]
    return np.clip(residual, limits.low, limits.high, out=residual)


def _local_means(layers: Float32, alpha: Float32, radius: int) -> Float32:
    """Mean of each layer over a square, weighted by how much of it is seen: 6,H,W."""
    square = (2 * radius + 1, 2 * radius + 1)
    means = np.empty_like(layers)
    for share, own in ((alpha, slice(0, 3)), (1 - alpha, slice(3, 6))):
        for plane, mean in zip(layers[own], means[own], strict=True):
            cv2.blur(plane * share, square, dst=mean)
        means[own] /= cv2.blur(share, square) + _TINY
    return means
