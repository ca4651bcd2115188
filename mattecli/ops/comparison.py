"""Compares a background plate with its photo, at a small size."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.exposure import CLIPPED, Exposure, fit_exposure
from mattecli.ops.pixels import to_float
from mattecli.records import Array, Size

__all__ = ["Comparison", "compare"]

Float64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_LONG_SIDE = 480
_TOLERANCE = 0.08  # of 0..1; compression, noise and half a pixel of shift stay below it
_SURROUNDINGS = 10  # pixels, of the small size
_LEAST_SUBJECT = 0.001  # share of the picture


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """A registered plate against its photo, at a small size (h,w).

    Attributes:
        exposure: brings the plate's exposure to the photo's.
        agrees: where the plate, so exposed, has the photo's colours, h,w.
        background: where the photo shows background that the plate covers, h,w; without a mask,
            all that the plate covers.
        covered: where the plate covers the photo, h,w.
    """

    exposure: Exposure
    agrees: Mask
    background: Mask
    covered: Mask

    @property
    def agreement(self) -> float:
        """Share of the background that agrees, 0..1."""
        return float(self.agrees[self.background].mean()) if self.background.any() else 0.0

    @property
    def finds_no_subject(self) -> bool:
        """Whether at most specks of the photo differ from the plate."""
        differs = cv2.erode((~self.agrees & self.covered).astype(np.uint8), np.ones((3, 3)))
        return float(differs.mean()) < _LEAST_SUBJECT / 3  # the erosion removed some of it


def compare(
    plate: Array, photo: Array, covered: Mask, mask: Array | None, places: Float64
) -> Comparison:
    """Compare a registered plate with its photo.

    Args:
        plate, photo: H,W,3 of one size, any type of pixels.
        covered: H,W; where the plate reaches.
        mask: of the photo's subject, H,W, above 0 is subject; None: unknown.
        places: points where the photo surely shows the plate's scene, K,2 (x, y). Exposure is
            measured around them; if there are none, over the whole background.
    """
    full = Size.of(photo)
    scale = min(1.0, _LONG_SIDE / max(full))
    size = full.scaled(scale)
    small_plate, small_photo = (np.clip(to_float(_shrunk(i, size)), 0, 1) for i in (plate, photo))
    inside = cv2.resize(covered.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    background = inside
    if mask is not None:
        background = inside & (_shrunk((mask > 0).astype(np.float32), size) == 0)
    near = background & _around(places, full, size)
    known = near if near.any() else background
    thin = (slice(None, None, 2),) * 2
    exposure = fit_exposure(small_plate[thin], small_photo[thin], known[thin])
    brighter = small_photo - exposure.apply(small_plate)
    # Where the plate is clipped at white or black, the photo may lie beyond.
    brighter[(small_plate > 1 - CLIPPED) & (brighter > 0)] = 0
    brighter[(small_plate < CLIPPED) & (brighter < 0)] = 0
    agrees = (np.abs(brighter).max(axis=2) < _TOLERANCE) & inside
    return Comparison(exposure, agrees, background, inside)


def _around(places: Float64, full: Size, size: Size) -> Mask:
    """The surroundings of places in a picture of size ``full``, as a mask of the small size."""
    seen = np.zeros((size.height, size.width), np.uint8)
    for x, y in places * (np.array(size) / np.array(full)):
        cv2.circle(seen, (round(x), round(y)), _SURROUNDINGS, 1, cv2.FILLED)
    return seen > 0


def _shrunk(image: Array, size: Size) -> Array:
    """At the small size, slightly blurred: a shift of half a pixel makes no difference then."""
    return cv2.blur(cv2.resize(image, size, interpolation=cv2.INTER_AREA), (3, 3))
