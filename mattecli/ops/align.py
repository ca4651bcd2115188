"""Registers a background plate to its photo: position, and exposure."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.exposure import Exposure
from mattecli.ops.pixels import to_float, to_levels
from mattecli.ops.plates import Comparison, compare
from mattecli.ops.registration import Registration, geometry_fault, register, warp
from mattecli.records import Array, Size

__all__ = ["Alignment", "align_plate"]

Float64 = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

_LEAST_INLIERS = 8
_LEAST_COVERAGE = 0.6
_MOST_ERROR = 0.002  # median reprojection error as a share of the photo's diagonal
_GAINS = (0.5, 2.0)

_ANOTHER_PLACE = (
    "give a picture of the same scene without the subject, from the same place; "
    "a new background goes to --background-fill"
)
_WITHOUT_SUBJECT = "give a picture of the scene without the subject"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Alignment:
    """A plate brought to its photo, and how well that went.

    Attributes:
        plate: H,W,3 of the photo's size and the plate's type. Where the plate does not reach, the
            photo itself stands in (which says: background), but the nearest colours of the plate
            next to the subject, so that a subject which leaves the picture there is not cut.
        homography: 3x3, from pixels of the given plate to those of the photo.
        matches: pairs of features that look alike.
        inliers: matches that the homography explains.
        median_error, mean_error: reprojection error of the inliers, in pixels of the photo; NaN
            without inliers.
        coverage: share of the photo that the plate reaches, 0..1.
        agreement: share of the background (all that is covered, without a mask) in which plate
            and photo have the same colours, 0..1.
        exposure: gain and bias that bring the plate to the photo; applied if asked for.
        trusted: whether the plate may be used.
        reason: what was found, in a few words.
        remedy: what to do where it is not trusted, else "".
    """

    plate: Array
    homography: Float64
    matches: int
    inliers: int
    median_error: float
    mean_error: float
    coverage: float
    agreement: float
    exposure: Exposure
    trusted: bool
    reason: str
    remedy: str


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """The plate under some homography."""

    plate: Array
    covered: Array
    comparison: Comparison


def align_plate(
    plate: Array, photo: Array, *, mask: Array | None = None, exposure: bool = True
) -> Alignment:
    """Register ``plate`` to ``photo``, and bring it to the photo's exposure.

    Args:
        plate: H,W,3 RGB of any size; uint8, uint16 or float.
        photo: H,W,3 RGB.
        mask: of the photo's subject, H,W, above 0 is subject; helps where the subject is large.
        exposure: match gain and bias of each channel too.

    Returns:
        What was found; never raises for a plate that does not fit: see ``trusted``.
    """
    size = Size.of(photo)
    found = register(plate, photo, mask=mask)
    homography = found.homography
    fault = _registration_fault(found, Size.of(plate), size)
    if fault:  # an even scene has nothing to hold on to, but may line up as it is
        homography = np.diag([size.width / plate.shape[1], size.height / plate.shape[0], 1.0])
    view = _view(plate, photo, homography, mask)
    verdict = _verdict(view, fault, mask is not None)
    applied = view.comparison.exposure if exposure else Exposure.same()
    errors = found.errors if not fault else np.zeros(0)
    return Alignment(
        plate=_with_filled_holes(replace(view, plate=applied.apply(view.plate)), photo),
        homography=homography,
        matches=found.matches,
        inliers=len(errors),
        median_error=float(np.median(errors)) if len(errors) else float("nan"),
        mean_error=float(errors.mean()) if len(errors) else float("nan"),
        coverage=float((view.covered > 0).mean()),
        agreement=view.comparison.agreement,
        exposure=view.comparison.exposure,
        trusted=verdict.trusted,
        reason=verdict.reason,
        remedy=verdict.remedy,
    )


@dataclass(frozen=True, slots=True)
class _Verdict:
    trusted: bool
    reason: str
    remedy: str = ""


def _verdict(view: _View, fault: str, masked: bool) -> _Verdict:
    seen = view.comparison
    if seen.finds_no_subject:
        return _Verdict(
            False, "nothing in the photo differs from the background plate", _WITHOUT_SUBJECT
        )
    needed = 0.5 if masked else 0.25
    if fault:
        needed = 0.9 if masked else 0.45
    if seen.agreement < needed:
        what = fault or f"only {seen.agreement:.0%} of the photo has the plate's colours"
        return _Verdict(
            False, f"the plate does not show the photo's background ({what})", _ANOTHER_PLACE
        )
    if not all(_GAINS[0] <= gain <= _GAINS[1] for gain in seen.exposure.gain):
        return _Verdict(
            False,
            "the plate is exposed more than one stop differently",
            "take the plate with the photo's exposure",
        )
    if fault:
        return _Verdict(True, f"used where it is: it lines up already ({fault})")
    return _Verdict(True, "registered")


def _registration_fault(found: Registration, plate: Size, photo: Size) -> str:
    """Why a registration is not to be believed, or ""."""
    # More inliers than chance explains: Brown and Lowe, IJCV 2007, section 3.2.
    if found.inliers < max(_LEAST_INLIERS, 5.9 + 0.22 * found.matches):
        return f"{found.inliers} of {found.matches} matching features fit together"
    fault = geometry_fault(found.homography, plate, photo)
    if fault:
        return fault
    error = float(np.median(found.errors))
    if error > _MOST_ERROR * float(np.hypot(*photo)):
        return f"matching features are {error:.1f} pixels apart"
    return ""


def _view(plate: Array, photo: Array, homography: Float64, mask: Array | None) -> _View:
    size = Size.of(photo)
    warped = warp(plate, homography, size, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)
    full = np.full(plate.shape[:2], 255, np.uint8)
    covered = warp(full, homography, size, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)
    return _View(warped, covered, compare(warped, photo, covered, mask))


def _with_filled_holes(view: _View, photo: Array) -> Array:
    """The plate with something sensible where it does not reach.

    The nearest pixel that it does reach decides: where plate and photo agree there, the hole is
    taken for background and gets the photo's pixels; where they differ, the subject is likely to
    go on, and the hole gets that pixel's colour of the plate.
    """
    hole = view.covered == 0
    if not hole.any() or hole.all():
        return view.plate
    size = Size.of(photo)
    _, labels = cv2.distanceTransformWithLabels(
        hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5, labelType=cv2.DIST_LABEL_PIXEL
    )
    place_of_label = np.zeros(labels.max() + 1, np.int64)
    place_of_label[labels[~hole]] = np.flatnonzero(~hole)
    nearest = place_of_label[labels[hole]]
    known = view.comparison.agrees & view.comparison.background
    agrees = cv2.resize(known.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    background = agrees.reshape(-1)[nearest] > 0
    colours = view.plate.reshape(-1, 3)[nearest]
    colours[background] = _as_type(photo[hole][background], view.plate.dtype)
    filled = view.plate.copy()
    filled[hole] = colours
    return filled


def _as_type(colours: Array, dtype: npt.DTypeLike) -> Array:
    if np.issubdtype(np.dtype(dtype), np.floating):
        return to_float(colours).astype(dtype)
    return to_levels(colours, dtype)
