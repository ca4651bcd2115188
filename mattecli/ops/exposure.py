"""Gain and bias between two exposures of one scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mattecli.ops.pixels import Float32, as_type, to_float
from mattecli.records import Array

__all__ = ["CLIPPED", "Exposure", "fit_exposure"]

Float64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

CLIPPED = 0.02
"""Values this near to black or white may have been cut off."""
_TOLERANCES = (0.3, 0.2, 0.14, 0.1, 0.07, 0.05, 0.05, 0.05)
_STARTS = (1.0, 0.8, 1.25, 0.65, 1.5)  # gains
_STIFFNESS = 1e-4  # pulls gains to 1, with the weight of colours of this variance
_BIAS_STIFFNESS = 0.01  # pulls biases to 0: exposure is above all a gain
_GAINS = (0.4, 2.5)  # a fit beyond these has lost the scene


@dataclass(frozen=True, slots=True, eq=False)
class Exposure:
    """``gain * colour + bias`` for each channel, colours 0..1.

    Attributes:
        gain: one value for each channel.
        bias: likewise.
    """

    gain: Float32
    bias: Float32

    @classmethod
    def same(cls) -> Exposure:
        """The exposure that changes nothing."""
        return cls(np.ones(3, np.float32), np.zeros(3, np.float32))

    def apply(self, image: Array) -> Array:
        """H,W,3 with this exposure, of the same type: computed in float, clamped, rounded.

        Floats are clamped at 0 only: scene values may exceed 1.
        """
        changed = to_float(image) * self.gain + self.bias
        return as_type(np.maximum(changed, 0), image.dtype)


def fit_exposure(plate: Float32, photo: Float32, usable: Mask) -> Exposure:
    """The exposure that brings ``plate`` to ``photo``, by robust least squares.

    Pixels count whose channels are all explained, within a tolerance that shrinks from 0.3 to
    0.05; so a subject in one of the pictures is left out, even if it covers half. The fit is begun
    with several gains, and the result that explains most pixels is taken.

    Args:
        plate, photo: H,W,3, 0..1, registered; a few ten thousand pixels are enough.
        usable: H,W; False where a picture does not show the scene.
    """
    pairs = _Pairs(plate[usable].astype(np.float64), photo[usable].astype(np.float64))
    fits = [_robust_fit(pairs, start) for start in _STARTS]
    return max(fits, key=lambda fit: np.count_nonzero(pairs.explained(fit, _TOLERANCES[-1])))


class _Pairs:
    """Colours of the plate and of the photo in the same places, K,3 each.

    A value that was clipped at white or black is only a bound: it counts against a fit that
    oversteps it, and not otherwise.
    """

    def __init__(self, plate: Float64, photo: Float64) -> None:
        self.plate, self.photo = plate, photo
        # Where clipping excuses a photo that is darker, or brighter, than the fitted plate.
        self._may_be_lower = (plate < CLIPPED) | (photo > 1 - CLIPPED)
        self._may_be_higher = (plate > 1 - CLIPPED) | (photo < CLIPPED)

    def excess(self, fit: Exposure) -> Float64:
        """How much brighter than the photo the fitted plate is, K,3; NaN where that is excused."""
        excess: Float64 = fit.gain * self.plate + fit.bias - self.photo
        silent = self._may_be_higher & (excess <= 0) | self._may_be_lower & (excess >= 0)
        excess[silent] = np.nan
        return excess

    def explained(self, fit: Exposure, tolerance: float) -> Mask:
        """Pixels, K, with a channel that counts and none that contradicts the fit."""
        excess = self.excess(fit)
        told = ~np.isnan(excess)
        against = np.abs(excess) >= tolerance
        return np.asarray(told.any(axis=1) & ~against.any(axis=1), bool)


def _robust_fit(pairs: _Pairs, start: float) -> Exposure:
    """The fit that begins with a gain of ``start``."""
    fit = Exposure(np.full(3, start, np.float32), np.zeros(3, np.float32))
    for tolerance in _TOLERANCES:
        counted = pairs.explained(fit, tolerance)
        if counted.sum() < 3:
            break
        told = ~np.isnan(pairs.excess(fit)) & counted[:, None]
        fit = _least_squares(pairs.plate, pairs.photo, told)
    return fit


def _least_squares(x: Float64, y: Float64, told: Mask) -> Exposure:
    """From colours ``x`` to ``y`` (K,3) where ``told``, pulled to gain 1 and bias 0.

    The pull decides where a scene is too uniform to tell a gain from a bias.
    """
    count = np.maximum(told.sum(axis=0), 1)
    mean, goal, square, product = (
        np.where(told, values, 0).sum(axis=0) / count for values in (x, y, x * x, x * y)
    )
    held = mean / (1 + _BIAS_STIFFNESS)
    square, product = square + _STIFFNESS - held * mean, product + _STIFFNESS - held * goal
    gain = np.clip(product / square, *_GAINS)
    bias = (goal - gain * mean) / (1 + _BIAS_STIFFNESS)
    return Exposure(gain.astype(np.float32), bias.astype(np.float32))
