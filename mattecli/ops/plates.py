"""Whether a background plate can be used with its photo as it is."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Literal

import cv2
import numpy as np

from mattecli.errors import PlateError
from mattecli.ops.align import align_plate
from mattecli.ops.registration import scaling
from mattecli.ops.segmentation import resized
from mattecli.records import Array, Size

__all__ = ["PlateCheck", "check_plate", "fit_plate"]

_LONG_SIDE = 800
_SAME_ASPECT = 0.01
_LINED_UP = 0.003  # displacement as a share of the diagonal: two pixels at 640


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateCheck:
    """What was found about a plate.

    Attributes:
        verdict: ``fits``; ``displaced``: the right scene, but it has to be registered;
            ``unsuitable``: another place, a new background, or the photo itself.
        displacement: how far the plate is off, in pixels of the photo (median over the picture);
            NaN if unknown.
        reason: why it does not fit, or "".
        remedy: what to do about it, or "".
    """

    verdict: Literal["fits", "displaced", "unsuitable"]
    displacement: float
    reason: str
    remedy: str

    def doubt(self, where: str = "") -> str:
        """A warning about a plate that does not fit; ``where`` is the place in a video."""
        return f"the background may not fit{where}: {self.reason}; {self.remedy}"


def check_plate(plate: Array, photo: Array, *, mask: Array | None = None) -> PlateCheck:
    """Find out whether ``plate`` shows the scene of ``photo``, at the same place.

    Args:
        plate: H,W,3 RGB; its size may differ from the photo's.
        photo: H,W,3 RGB.
        mask: of the photo's subject, H,W, above 0 is subject; None: unknown.
    """
    size = Size.of(photo)
    seen = _small(photo)
    given = _small(plate)
    known = None if mask is None else cv2.resize(mask, Size.of(seen), interpolation=cv2.INTER_AREA)
    found = align_plate(given, seen, mask=known, exposure=False)
    if not found.trusted:
        return PlateCheck(
            verdict="unsuitable",
            displacement=float("nan"),
            reason=found.reason,
            remedy=found.remedy,
        )
    as_it_is = scaling(Size.of(given), Size.of(seen))
    grid = np.stack(np.meshgrid(*(np.linspace(0, side - 1, 5) for side in Size.of(given))), -1)
    grid = grid.reshape(-1, 1, 2)
    moved = cv2.perspectiveTransform(grid, found.homography)
    apart = np.linalg.norm(moved - cv2.perspectiveTransform(grid, as_it_is), axis=2)
    displacement = float(np.median(apart)) * size.width / seen.shape[1]
    if displacement <= _LINED_UP * float(np.hypot(*size)):
        return PlateCheck(verdict="fits", displacement=displacement, reason="", remedy="")
    return PlateCheck(
        verdict="displaced",
        displacement=displacement,
        reason=f"the plate is displaced by {displacement:.0f} pixels",
        remedy="add --align",
    )


def fit_plate(plate: Array, size: Size, path: PathLike[str] | None) -> Array:
    """The plate at a picture's size, if both have the same aspect ratio.

    Args:
        plate: H,W,3 RGB.
        size: of the photo or frame.
        path: the plate's file, for the message.

    Raises:
        PlateError: their aspect ratios differ by more than a hundredth.
    """
    have = Size.of(plate)
    ratio = (have.width * size.height) / (have.height * size.width)
    if abs(ratio - 1) > _SAME_ASPECT:
        raise PlateError(
            f"the background is {have}, the picture {size}, of another shape",
            path=path,
            remedy="give one taken with the same framing, or --align",
        )
    return plate if have == size else resized(plate, size)


def _small(image: Array) -> Array:
    size = Size.of(image)
    scale = _LONG_SIDE / max(size)
    if scale >= 1:
        return image
    return cv2.resize(image, size.scaled(scale), interpolation=cv2.INTER_AREA)
