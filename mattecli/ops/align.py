"""Registers a background plate to its photo: position, and exposure."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.comparison import Comparison, compare
from mattecli.ops.exposure import Exposure
from mattecli.ops.pixels import as_type
from mattecli.ops.registration import (
    Registration,
    covered_by,
    geometry_fault,
    register,
    register_plain,
    unregistered,
    warp,
)
from mattecli.records import Array, Size

__all__ = ["Alignment", "align_plate"]

Float64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_FEW_MATCHES = 15  # with fewer, the picture is too plain to tell, or it is another one
_LEAST_INLIERS = 8
_LEAST_COVERAGE = 0.6
_MOST_ERROR = 0.002  # median reprojection error as a share of the photo's diagonal
_GAINS = (0.5, 2.0)

_ANOTHER_PLACE = (
    "give a picture of the same scene without the subject, taken from the same place "
    "(a new background is not what is meant)"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """A plate brought to its photo, and how well that went.

    Attributes:
        plate: H,W,3 of the photo's size and the plate's type. Holes, which the plate does not
            cover, show the photo itself (so they count as background); next to the subject they
            show the plate's nearest colours, so that a subject that extends there is not cut off.
        homography: 3x3, from pixels of the given plate to those of the photo.
        matches: pairs of features that look alike.
        inliers: matches that the homography explains.
        median_error: reprojection error of the inliers, in pixels of the photo; NaN without
            inliers.
        exposure: gain and bias from the plate to the photo; applied if asked for.
        trusted: whether the plate may be used.
        reason: what was found, in a few words.
        remedy: what to do if it is not trusted, else "".
    """

    plate: Array
    homography: Float64
    matches: int
    inliers: int
    median_error: float
    exposure: Exposure
    trusted: bool
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Verdict:
    trusted: bool
    reason: str
    remedy: str = ""


def align_plate(
    plate: Array, photo: Array, *, mask: Array | None = None, exposure: bool = True
) -> Alignment:
    """Register ``plate`` to ``photo``, and bring it to the photo's exposure.

    If too few features match, corners are tracked instead. If that fails too, the plate is used
    as it is, provided that it lines up already.

    Args:
        plate: H,W,3 RGB of any size; uint8, uint16 or float.
        photo: H,W,3 RGB.
        mask: of the photo's subject, H,W, above 0 is subject; helps where the subject is large.
        exposure: match gain and bias of each channel too.

    Returns:
        The aligned plate and how well it fits. One that does not fit is no error: see ``trusted``.
    """
    given, size = Size.of(plate), Size.of(photo)
    found = register(plate, photo, mask=mask)
    fault = _fault(found, given, size)
    if fault:
        followed = register_plain(plate, photo, mask=mask)
        if not _fault(followed, given, size):
            found, fault = followed, ""
    if fault:
        found = unregistered(given, size, found.matches)
    moved = warp(plate, found.homography, size)
    covered = covered_by(given, found.homography, size)
    seen = compare(moved, photo, covered, mask, found.places)
    verdict = _verdict(seen, fault, masked=mask is not None)
    exposed = (seen.exposure if exposure else Exposure.same()).apply(moved)
    background = _likely_background(seen, mask, size)
    errors = found.errors
    return Alignment(
        plate=_with_filled_holes(exposed, photo, covered, background),
        homography=found.homography,
        matches=found.matches,
        inliers=found.inliers,
        median_error=float(np.median(errors)) if len(errors) else float("nan"),
        exposure=seen.exposure,
        trusted=verdict.trusted,
        reason=verdict.reason,
        remedy=verdict.remedy,
    )


def _fault(found: Registration, plate: Size, photo: Size) -> str:
    """Why a registration cannot be trusted, or ""."""
    # More inliers than chance explains: Brown and Lowe, IJCV 2007, section 3.2.
    if found.matches < _FEW_MATCHES:
        return f"only {found.matches} features match, too few to tell"
    if found.inliers < max(_LEAST_INLIERS, 5.9 + 0.22 * found.matches):
        return f"of {found.matches} matching features {found.inliers} fit together"
    error = float(np.median(found.errors))
    if error > _MOST_ERROR * float(np.hypot(*photo)):
        return f"matching features are {error:.1f} pixels apart"
    return geometry_fault(found.homography, plate, photo)


def _verdict(seen: Comparison, fault: str, *, masked: bool) -> _Verdict:
    if seen.finds_no_subject:
        return _Verdict(
            trusted=False,
            reason="nothing in the photo differs from the background plate",
            remedy="give a picture of the scene without the subject",
        )
    # Without a mask, half of the photo may be subject. Up to a third of two unrelated pictures
    # agrees by chance, so more has to agree if registration failed.
    needed = (0.9 if masked else 0.45) if fault else (0.5 if masked else 0.25)
    near = all(_GAINS[0] <= gain <= _GAINS[1] for gain in seen.exposure.gain)
    if seen.agreement < needed or (fault and not near):
        found = fault or f"{seen.agreement:.0%} of it has the plate's colours"
        return _Verdict(
            trusted=False,
            reason=f"the plate is not seen to show the photo's background ({found})",
            remedy=_ANOTHER_PLACE,
        )
    if float(seen.covered.mean()) < _LEAST_COVERAGE:
        return _Verdict(
            trusted=False,
            reason=f"the plate shows only {seen.covered.mean():.0%} of the photo's view",
            remedy="give one that shows all of it",
        )
    if not near:
        return _Verdict(
            trusted=False,
            reason="plate and photo are exposed more than one stop differently",
            remedy="give a plate taken with the photo's exposure",
        )
    return _Verdict(
        trusted=True, reason=f"used where it is, since it lines up ({fault})" if fault else ""
    )


def _likely_background(seen: Comparison, mask: Array | None, size: Size) -> Mask:
    """Where the photo shows what the plate shows, H,W; elsewhere is the subject, or a hole."""
    agrees = (seen.agrees & seen.background).astype(np.uint8)
    background = cv2.resize(agrees, size, interpolation=cv2.INTER_NEAREST) > 0
    return background if mask is None else background & (mask == 0)


def _with_filled_holes(plate: Array, photo: Array, covered: Mask, background: Mask) -> Array:
    """The plate with its holes filled, where it does not cover the photo.

    The nearest covered pixel decides: next to background a hole gets the photo's own pixels, next
    to the subject it gets the plate's colour at that nearest pixel.
    """
    if covered.all() or not covered.any():
        return plate
    hole = ~covered
    _, labels = cv2.distanceTransformWithLabels(
        hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    place_of_label = np.zeros(int(labels.max()) + 1, np.int64)
    place_of_label[labels[covered]] = np.flatnonzero(covered)
    nearest = place_of_label[labels[hole]]
    beside = background.reshape(-1)[nearest]
    colours = plate.reshape(-1, 3)[nearest]
    colours[beside] = as_type(photo[hole][beside], plate.dtype)
    filled = plate.copy()
    filled[hole] = colours
    return filled
