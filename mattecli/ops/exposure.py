"""Gain and bias between two exposures of one scene."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mattecli.ops.pixels import to_float, to_levels
from mattecli.records import Array

__all__ = ["CLIPPED", "Exposure", "fit_exposure"]

Float32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]

CLIPPED = 0.02
"""Values this near to black or white may have been cut off."""
_TOLERANCES = (0.3, 0.2, 0.14, 0.1, 0.07, 0.05, 0.05, 0.05)
_STIFFNESS = 1e-4  # variance of the colours at which gain and bias count as told apart


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
        """That changes nothing."""
        return cls(np.ones(3, np.float32), np.zeros(3, np.float32))

    def apply(self, image: Array) -> Array:
        """H,W,3 with this exposure, of the same type: computed in float, clamped, rounded.

        Floats are clamped at 0 only: scene values may exceed 1.
        """
        changed = to_float(image) * self.gain + self.bias
        if np.issubdtype(image.dtype, np.floating):
            floats: Array = np.maximum(changed, 0).astype(image.dtype)
            return floats
        return to_levels(changed, image.dtype)


def fit_exposure(plate: Float32, photo: Float32, usable: Mask) -> Exposure:
    """The exposure that brings ``plate`` to ``photo``, by robust least squares.

    A pixel counts while all its channels are explained; the tolerance shrinks from 0.3 to 0.05, so
    that a subject in one of the two pictures is left out, even one that covers half.

    Args:
        plate, photo: H,W,3, 0..1, registered; a few ten thousand pixels are enough.
        usable: H,W; False where a picture does not show the scene.
    """
    inside = (np.minimum(plate, photo) > CLIPPED) & (np.maximum(plate, photo) < 1 - CLIPPED)
    kept = usable & inside.all(axis=2)
    x, y = plate[kept].astype(np.float64), photo[kept].astype(np.float64)
    gain, bias = np.ones(3), np.zeros(3)
    for tolerance in _TOLERANCES:
        explained = (np.abs(gain * x + bias - y) < tolerance).all(axis=1)
        if explained.sum() < 3:
            break
        p, q = x[explained], y[explained]
        centred = p - p.mean(axis=0)
        # Stiff towards gain 1, for scenes too even to tell gain from bias.
        covariance = (centred * (q - q.mean(axis=0))).mean(axis=0) + _STIFFNESS
        gain = covariance / ((centred**2).mean(axis=0) + _STIFFNESS)
        bias = q.mean(axis=0) - gain * p.mean(axis=0)
    return Exposure(gain.astype(np.float32), bias.astype(np.float32))
