"""Error sums between an estimated image and the true one: alpha mattes, or foreground colours.

Every function returns a float64 sum in units of alpha, so that a difference of one is "opaque
instead of transparent". ``region`` is H,W uint8, non-zero where a pixel counts; None counts all.
``mattecli.ops.protocols`` says which sums, means and scales make up published numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.errors import InputError
from mattecli.ops.pixels import to_float, to_levels, white_of
from mattecli.records import Array, Size

__all__ = [
    "GradientKernels",
    "ImagePair",
    "Mask",
    "absolute_error",
    "banded_distance",
    "gradient_error",
    "gradient_kernels",
    "mask_of",
    "overlap",
    "squared_error",
    "temporal_error",
]

Mask: TypeAlias = npt.NDArray[np.uint8]
"""H,W; non-zero where a pixel counts."""
Float64: TypeAlias = npt.NDArray[np.float64]

_BAND_ROWS = 128  # a band's intermediate images stay in the cache: about twice as fast as whole
_SIGMA = 1.4  # of the gradient's Gaussian, pixels
_CUTOFF = 0.01  # the gradient's filter ends where its Gaussian falls below this


@dataclass(frozen=True, slots=True)
class ImagePair:
    """An estimate and the truth, of one shape and one type. Made by ``ImagePair.of``.

    Attributes:
        pred: the estimate; H,W or H,W,3; uint8, uint16 or float32.
        truth: the true image.
    """

    pred: Array
    truth: Array

    @classmethod
    def of(cls, pred: Array, truth: Array) -> Self:
        """The two images, converted without loss to the deeper type of the two.

        Raises:
            InputError: their sizes or channels differ, or a float image is not finite.
        """
        if pred.shape != truth.shape:
            raise InputError(
                f"the prediction is {_shape(pred)}, the truth {_shape(truth)}",
                remedy="score pictures of one size",
            )
        if pred.dtype == truth.dtype and pred.dtype.kind == "u":
            return cls(pred, truth)
        if pred.dtype.kind == truth.dtype.kind == "u":
            return cls(to_levels(pred, np.uint16), to_levels(truth, np.uint16))
        pair = cls(to_float(pred), to_float(truth))
        if not (np.isfinite(pair.pred).all() and np.isfinite(pair.truth).all()):
            raise InputError("a pixel is NaN or infinite", remedy="write the picture again")
        return pair

    @property
    def white(self) -> int:
        """The value that stands for one: 255, 65535, or 1 for floats."""
        return white_of(self.pred.dtype)

    @property
    def height(self) -> int:
        """Rows."""
        return int(self.pred.shape[0])

    def distance(self, norm: int, region: Mask | None) -> float:
        """OpenCV's norm of the difference, in units of the images, accumulated in float64."""
        return float(cv2.norm(self.pred, self.truth, norm, region))


def overlap(images: ImagePair, region: Mask | None) -> float:
    """Pixels opaque (0.5 or more) in both images / those opaque in either; 1 if there are none."""
    half = images.white / 2
    pred, truth = images.pred >= half, images.truth >= half
    if region is not None:
        pred, truth = pred & (region != 0), truth & (region != 0)
    union = np.count_nonzero(pred | truth)
    return np.count_nonzero(pred & truth) / union if union else 1.0


def mask_of(condition: npt.NDArray[np.bool_]) -> Mask:
    """A condition as 0 and 1, without a copy."""
    mask: Mask = condition.view(np.uint8)
    return mask


def _shape(image: Array) -> str:
    channels = f" with {image.shape[2]} channels" if image.ndim > 2 else ""
    return f"{Size.of(image)}{channels}"


def banded_distance(
    images: Callable[[slice], ImagePair], height: int, norm: int, region: Mask | None
) -> float:
    """Sum of ``ImagePair.distance`` over bands of rows, each made when its turn comes.

    Args:
        images: makes the two images to compare for a band of rows.
        height: rows of the picture.
        norm: OpenCV's norm, L1 or squared L2.
        region: H,W pixels that count; None counts all.
    """
    total = 0.0
    for top in range(0, height, _BAND_ROWS):
        rows = slice(top, min(top + _BAND_ROWS, height))
        total += images(rows).distance(norm, None if region is None else region[rows])
    return total


def absolute_error(pair: ImagePair, region: Mask | None = None) -> float:
    r"""Sum of \|pred - truth\|, over the channels too."""
    return pair.distance(cv2.NORM_L1, region) / pair.white


def squared_error(pair: ImagePair, region: Mask | None = None) -> float:
    """Sum of (pred - truth)^2, over the channels too."""
    return pair.distance(cv2.NORM_L2SQR, region) / pair.white**2


def temporal_error(now: ImagePair, before: ImagePair, region: Mask | None = None) -> float:
    """Sum of (change of pred since the last frame - change of truth)^2.

    dtSSD of Erofeev et al., Perceptually Motivated Benchmark for Video Matting, BMVC 2015, without
    its mean and root.

    Args:
        now: a frame's alpha mattes, H,W.
        before: those of the frame before, same size.
        region: pixels of the later frame that count.

    Raises:
        InputError: the frames' sizes differ.
    """
    if now.pred.shape != before.pred.shape:
        raise InputError(
            f"the frame is {_shape(now.pred)}, the one before {_shape(before.pred)}",
            remedy="keep frames of one size in a folder",
        )

    def changes(rows: slice) -> ImagePair:
        return ImagePair(
            to_float(now.pred[rows]) - to_float(before.pred[rows]),
            to_float(now.truth[rows]) - to_float(before.truth[rows]),
        )

    return banded_distance(changes, now.height, cv2.NORM_L2SQR, region)


@dataclass(frozen=True, slots=True)
class GradientKernels:
    """The separable first derivative of a Gaussian, each part of unit Euclidean norm.

    Attributes:
        smooth: 9 samples of the Gaussian.
        derivative: 9 samples of its derivative.
    """

    smooth: Float64
    derivative: Float64


def gradient_kernels() -> GradientKernels:
    """The filters of the gradient error.

    Rhemann et al., A Perceptually Motivated Online Benchmark for Image Matting, CVPR 2009: sigma
    1.4. The outer product of the two has unit norm, as in the programs.
    """
    half = math.ceil(_SIGMA * math.sqrt(-2 * math.log(math.sqrt(2 * math.pi) * _SIGMA * _CUTOFF)))
    x = np.arange(-half, half + 1, dtype=np.float64)
    smooth = np.exp(-(x**2) / (2 * _SIGMA**2))
    derivative = -x * smooth
    return GradientKernels(smooth / np.linalg.norm(smooth), derivative / np.linalg.norm(derivative))


def gradient_error(pair: ImagePair, region: Mask | None = None, *, stretch: bool = True) -> float:
    """Sum of (gradient magnitude of pred - that of truth)^2.

    The gradient error of Rhemann et al., CVPR 2009, with exponent 2; borders are replicated.

    Args:
        pair: alpha mattes, H,W.
        region: pixels that count; the filter sees the others too.
        stretch: each of the two is first stretched to 0..1 by its own minimum and maximum, over
            the whole picture; a constant picture then has no gradient.
    """
    kernels = gradient_kernels()
    pred_gain = _gain(pair.pred) if stretch else 1 / pair.white
    truth_gain = _gain(pair.truth) if stretch else 1 / pair.white

    def slopes(rows: slice) -> ImagePair:
        return ImagePair(
            _slope(pair.pred, rows, kernels) * pred_gain,
            _slope(pair.truth, rows, kernels) * truth_gain,
        )

    return banded_distance(slopes, pair.height, cv2.NORM_L2SQR, region)


def _gain(alpha: Array) -> float:
    """What stretches ``alpha`` to a range of one; 0 if it is constant."""
    low, high, _, _ = cv2.minMaxLoc(alpha)
    return 1 / (high - low) if high > low else 0.0


def _slope(alpha: Array, rows: slice, kernels: GradientKernels) -> npt.NDArray[np.float64]:
    """Gradient magnitude of some rows, filtered together with the rows around them.

    In float64: slopes that nearly agree are subtracted and squared.
    """
    reach = len(kernels.smooth) // 2
    top = max(rows.start - reach, 0)
    part = alpha[top : rows.stop + reach].astype(np.float64)
    own = slice(rows.start - top, rows.stop - top)
    along_x = cv2.sepFilter2D(
        part, cv2.CV_64F, kernels.derivative, kernels.smooth, borderType=cv2.BORDER_REPLICATE
    )
    along_y = cv2.sepFilter2D(
        part, cv2.CV_64F, kernels.smooth, kernels.derivative, borderType=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.magnitude(along_x[own], along_y[own]), np.float64)
