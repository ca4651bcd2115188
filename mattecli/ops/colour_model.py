"""Local linear models of alpha: in a small window, alpha is a linear function of colour.

It is the assumption of closed-form matting (Levin, Lischinski, Weiss, TPAMI 2008, section 3.1)
and of the guided filter (He, Sun, Tang, TPAMI 2013, section 3.1), whose regression this is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from mattecli.ops.pixels import Float32, to_float

__all__ = ["ColourModel", "fit_colour_model", "smoothed"]

_REGULARISATION = np.float32(1e-5)  # of the colours' variance; about one 8-bit level squared
_TINY = np.float32(1e-5)  # a variance of alpha this small counts as none


@dataclass(frozen=True, slots=True)
class ColourModel:
    """alpha = gain . colour + offset, around each pixel.

    Attributes:
        gain: 3,h,w.
        offset: h,w.
        residual: variance of alpha that colour does not explain, h,w.
        variance: variance of alpha in the window, h,w.
    """

    gain: Float32
    offset: Float32
    residual: Float32
    variance: Float32

    def explained(self, radius: int) -> Float32:
        """The share of alpha's variance that colour explains, over the windows around a pixel."""
        residual, variance = _mean(self.residual, radius), _mean(self.variance, radius)
        share: Float32 = 1 - residual / (variance + _TINY)
        return share

    def agreed(self, radius: int, certain: float) -> ColourModel:
        """At each pixel, the mean of the models of all windows that hold it; surer ones weigh more.

        Args:
            radius: half a window's side, pixels.
            certain: residual variance below which models weigh about the same.
        """
        trust = np.float32(1) / (self.residual + np.float32(certain))
        total = _mean(trust, radius)
        gain = np.stack([_mean(plane * trust, radius) / total for plane in self.gain])
        offset = _mean(self.offset * trust, radius) / total
        return ColourModel(gain, offset, self.residual, self.variance)

    def grain(self, noise: float) -> Float32:
        """Variance of alpha, h,w, that colour noise of this standard deviation causes."""
        grain: Float32 = (self.gain**2).sum(axis=0) * np.float32(noise**2)
        return grain

    def mixed(self, other: ColourModel, share: Float32) -> ColourModel:
        """A blend with another model; ``share`` is that one's weight, h,w, 0..1."""
        mine, theirs = ((m.gain, m.offset, m.residual, m.variance) for m in (self, other))
        return ColourModel(*(a + share * (b - a) for a, b in zip(mine, theirs, strict=True)))


def fit_colour_model(color: Float32, alpha: Float32, radius: int) -> ColourModel:
    """The models of all windows.

    Args:
        color: 3,h,w, 0..1.
        alpha: h,w, 0..1.
        radius: half a window's side, pixels.
    """
    centre = color.mean(axis=(1, 2), keepdims=True)  # small numbers lose less when squared
    planes = color - centre
    mean = np.stack([_mean(plane, radius) for plane in planes])
    mean_alpha = _mean(alpha, radius)
    shared = np.stack([_mean(plane * alpha, radius) for plane in planes]) - mean * mean_alpha
    gain = _solved(_covariance(planes, mean, radius), shared)
    variance = np.maximum(_mean(alpha * alpha, radius) - mean_alpha * mean_alpha, 0)
    explained = (gain * shared).sum(axis=0)
    offset = mean_alpha - (gain * (mean + centre)).sum(axis=0)
    return ColourModel(gain, offset, np.maximum(variance - explained, 0), variance)


def smoothed(image: Float32, sigma: float) -> Float32:
    """A Gaussian blur of an H,W image, borders reflected."""
    if sigma <= 0:
        return image
    return to_float(cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101))


def _covariance(planes: Float32, mean: Float32, radius: int) -> list[list[Float32]]:
    """The regularised covariance of three channels in each window."""
    rows: list[list[Float32]] = [[], [], []]
    for i in range(3):
        for j in range(i + 1):
            entry = _mean(planes[i] * planes[j], radius) - mean[i] * mean[j]
            rows[i].append(entry + _REGULARISATION if i == j else entry)
    return rows


def _solved(lower: list[list[Float32]], right: Float32) -> Float32:
    """x of S x = right for symmetric 3x3 matrices S, given by their lower triangles (Cramer)."""
    (a,), (b, d), (c, e, f) = lower
    minors = (d * f - e * e, c * e - b * f, b * e - c * d, a * f - c * c, b * c - a * e)
    determinant = a * minors[0] + b * minors[1] + c * minors[2]
    last = a * d - b * b
    adjugate = (
        (minors[0], minors[1], minors[2]),
        (minors[1], minors[3], minors[4]),
        (minors[2], minors[4], last),
    )
    solved = [sum(entry * right[j] for j, entry in enumerate(row)) for row in adjugate]
    gain: Float32 = np.stack([np.asarray(plane) for plane in solved])
    gain /= np.maximum(determinant, np.float32(_REGULARISATION**3))  # less is rounding error
    return gain


def _mean(image: Float32, radius: int) -> Float32:
    """The mean of each square window, borders reflected."""
    side = 2 * radius + 1
    return to_float(cv2.blur(image, (side, side), borderType=cv2.BORDER_REFLECT_101))
