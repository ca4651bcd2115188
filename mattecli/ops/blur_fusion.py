"""Blur-fusion foreground estimation.

Forte, "Approximate Fast Foreground Colour Estimation", ICIP 2021: each layer is the mean of the
photo around a pixel, weighted by how much of that layer is seen; what the two means leave
unexplained is added to the foreground. A wide pass finds the layers, a narrow one refines them.
The wide means are smooth, so they are computed on every fourth pixel only.
"""

from __future__ import annotations

import cv2
import numpy as np

from mattecli.ops.pixels import Float32
from mattecli.ops.unmixing import Limits, MixedPhoto, Mixture, SampledLayers

__all__ = ["NARROW", "TINY", "blur_fusion_layers", "fused"]

_WIDE = 90  # the published radius of the first pass, pixels
NARROW = 6
"""The published radius of the second pass: how far away pixels influence ``fused``."""

_STEP = 4
TINY = np.float32(1e-5)


def blur_fusion_layers(photo: MixedPhoto) -> SampledLayers:
    """The means of the first pass, at every fourth pixel."""
    mixture = photo.sampled(_STEP)
    both = np.stack([mixture.color, mixture.color])
    return SampledLayers(_local_means(both, mixture.shares, round(_WIDE / _STEP)), _STEP)


def fused(means: Float32, piece: Mixture, limits: Limits) -> Float32:
    """The rest of the first pass, and the second.

    Args:
        means: 2,3,H,W of the first pass.
        piece: the photo there.
        limits: range of colours.

    Returns:
        2,3,H,W.
    """
    shares = piece.shares
    first = np.stack([_foreground(means, shares, piece, limits), means[1]])
    second = _local_means(first, shares, NARROW)
    return np.stack([_foreground(second, shares, piece, limits), second[1]])


def _foreground(means: Float32, shares: Float32, piece: Mixture, limits: Limits) -> Float32:
    """The foreground: its mean and, where it is seen, what both means leave unexplained."""
    residual = piece.color - (shares * means).sum(axis=0)
    foreground: Float32 = means[0] + piece.alpha * residual
    return np.clip(foreground, limits.low, limits.high, out=foreground)


def _local_means(layers: Float32, shares: Float32, radius: int) -> Float32:
    """Means of layers over a square, weighted by how much of each is seen.

    Where a layer is not seen anywhere in the square it stays as it is.

    Args:
        layers: 2,3,H,W.
        shares: 2,1,H,W.
        radius: half the square's side, in samples.
    """
    means: Float32 = _box_blurred(layers * shares, radius) + layers * TINY
    means /= _box_blurred(shares, radius) + TINY
    return means


def _box_blurred(planes: Float32, radius: int) -> Float32:
    """Every H,W plane of N,M,H,W averaged over a square."""
    blurred = np.empty_like(planes)
    for index in np.ndindex(planes.shape[:2]):
        cv2.blur(planes[index], (2 * radius + 1, 2 * radius + 1), dst=blurred[index])
    return blurred
