"""Finds the homography between two pictures of one scene."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.pixels import to_float, to_levels
from mattecli.ops.tracking import track_corners
from mattecli.records import Array, Size

__all__ = [
    "Registration",
    "covered_by",
    "geometry_fault",
    "register",
    "register_plain",
    "scaling",
    "unregistered",
    "warp",
]

Float64 = npt.NDArray[np.float64]

_LONG_SIDE = 1600  # features are looked for at no more than this
_FEATURES = 6000
_RATIO = 0.8  # Lowe, IJCV 2004, section 7.1
_REACH = 2.5  # pixels a match may be off
_CORNER_WEIGHT = 0.1  # of a point; far less than one, so that true perspective is kept


@dataclass(frozen=True, slots=True, eq=False)
class Registration:
    """How one picture maps onto another.

    Attributes:
        homography: 3x3, from pixels of the moved picture to those of the fixed one; the identity
            where none was found.
        matches: pairs of features that look alike.
        errors: how far each match that obeys the homography is off, K, in pixels of the fixed
            picture.
        places: of these matches in the fixed picture, K,2 (x, y).
    """

    homography: Float64
    matches: int
    errors: Float64
    places: Float64

    @property
    def inliers(self) -> int:
        """Matches that obey the homography."""
        return len(self.errors)


@dataclass(frozen=True, slots=True, eq=False)
class _Features:
    """Places (K,2) and descriptors (K,n) of what stands out in a picture."""

    points: Float64
    descriptors: Array


def register(moved: Array, fixed: Array, *, mask: Array | None = None) -> Registration:
    """Register ``moved`` to ``fixed``.

    Features are SIFT's where this OpenCV has it, else AKAZE's or ORB's; matches must be mutual
    and distinctive; the homography is MAGSAC++'s (Barath et al., CVPR 2020), then fitted to its
    inliers by least squares. The same pictures give the same result.

    Args:
        moved, fixed: H,W or H,W,3 of any type of pixels; their sizes may differ.
        mask: of ``fixed``, H,W; nothing is looked for where it is above 0.
    """
    detector, norm = _detector()
    from_moved = _features(detector, moved, None)
    from_fixed = _features(detector, fixed, mask)
    pairs = _mutual_matches(from_moved.descriptors, from_fixed.descriptors, norm)
    start, end = from_moved.points[pairs[:, 0]], from_fixed.points[pairs[:, 1]]
    return _registration(start, end, Size.of(moved), Size.of(fixed))


def register_plain(moved: Array, fixed: Array, *, mask: Array | None = None) -> Registration:
    """As ``register``, for scenes with hardly any features: corners are followed instead."""
    start, end = track_corners(moved, fixed, mask)
    return _registration(start, end, Size.of(moved), Size.of(fixed))


def _registration(start: Float64, end: Float64, moved: Size, fixed: Size) -> Registration:
    """What matching points, K,2 each, say of the pictures they are in."""
    reach = _REACH / _work_scale(fixed)
    homography, obeys = _robust_homography(start, end, moved, reach)
    errors = np.linalg.norm(_project(homography, start[obeys]) - end[obeys], axis=1)
    return Registration(homography, len(start), errors, end[obeys])


def unregistered(moved: Size, fixed: Size, matches: int) -> Registration:
    """Stands for one that cannot be trusted: both pictures are assumed to show the same view."""
    return Registration(scaling(moved, fixed), matches, np.zeros(0), np.zeros((0, 2)))


def scaling(start: Size, end: Size) -> Float64:
    """3x3, from pixels of a picture to those of the same picture at another size."""
    x, y = end.width / start.width, end.height / start.height
    return np.array([[x, 0, (x - 1) / 2], [0, y, (y - 1) / 2], [0, 0, 1]])


def warp(image: Array, homography: Float64, size: Size) -> Array:
    """``image`` as seen in a picture of ``size``: cubic, without aliasing, its border repeated."""
    given = Size.of(image)
    scale = float(np.sqrt(abs(np.linalg.det(homography[:2, :2]))))
    if scale < 0.75:  # cubic interpolation would skip pixels
        smaller = given.scaled(scale)
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
        homography = homography @ scaling(smaller, given)
    return cv2.warpPerspective(
        image, homography, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def covered_by(given: Size, homography: Float64, size: Size) -> npt.NDArray[np.bool_]:
    """Where a picture of size ``given`` reaches in one of ``size``, H,W."""
    full = np.full((given.height, given.width), 255, np.uint8)
    reached: npt.NDArray[np.bool_] = (
        cv2.warpPerspective(full, homography, size, flags=cv2.INTER_NEAREST) > 0
    )
    return reached


def geometry_fault(homography: Float64, moved: Size, fixed: Size) -> str:
    """Why two pictures taken from one place cannot be related by a homography, or "".

    Args:
        homography: from pixels of the moved picture to those of the fixed one.
        moved, fixed: sizes of the pictures, which are assumed to show about the same view.
    """
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64)
    with np.errstate(all="ignore"):
        seen = _project(homography, corners * moved) / fixed
    if not np.isfinite(seen).all():
        return "the view would be turned inside out"
    sides = np.roll(seen, -1, axis=0) - seen
    following = np.roll(sides, -1, axis=0)
    turns = sides[:, 0] * following[:, 1] - sides[:, 1] * following[:, 0]
    if (turns <= 0).any():
        return "the view would be mirrored or folded"
    lengths = np.linalg.norm(sides, axis=1)
    if lengths.max() > 1.6 * lengths.min() or not 0.6 < lengths.mean() < 1.6:
        return "the view would be scaled or tilted beyond what one place allows"
    if np.linalg.norm(seen - corners, axis=1).max() > 0.4:
        return "the view would be moved by more than a third of the picture"
    return ""


def _detector() -> tuple[cv2.Feature2D, int]:
    """The best detector that this version of OpenCV has, and the norm for its descriptors."""
    if hasattr(cv2, "SIFT_create"):
        sift = cv2.SIFT_create(nfeatures=_FEATURES, contrastThreshold=0.02)  # low: dim scenes
        return sift, cv2.NORM_L2
    if hasattr(cv2, "AKAZE_create"):
        return cv2.AKAZE_create(threshold=0.0005), cv2.NORM_HAMMING
    return cv2.ORB.create(nfeatures=_FEATURES, fastThreshold=10), cv2.NORM_HAMMING


def _work_scale(size: Size) -> float:
    return min(1.0, _LONG_SIDE / max(size))


def _features(detector: cv2.Feature2D, image: Array, mask: Array | None) -> _Features:
    grey = to_levels(np.clip(to_float(image), 0, 1))
    if grey.ndim == 3:
        grey = cv2.cvtColor(grey, cv2.COLOR_RGB2GRAY)
    scale = _work_scale(Size.of(image))
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    where = None
    if mask is not None:
        free = (mask == 0).astype(np.uint8)
        where = cv2.resize(free, Size.of(grey), interpolation=cv2.INTER_NEAREST)
    keypoints, descriptors = detector.detectAndCompute(grey, where)
    if len(keypoints) == 0:
        return _Features(np.zeros((0, 2)), np.zeros((0, 1), np.uint8))
    places = np.array([keypoint.pt for keypoint in keypoints], np.float64)
    return _Features((places + 0.5) / scale - 0.5, descriptors)


def _mutual_matches(moved: Array, fixed: Array, norm: int) -> npt.NDArray[np.int64]:
    """Indices of pairs (K,2): each the other's nearest, and much nearer than the second."""
    if min(len(moved), len(fixed)) < 2:
        return np.zeros((0, 2), np.int64)
    matcher = cv2.BFMatcher(norm)
    back = np.array([pair[0].trainIdx for pair in matcher.knnMatch(fixed, moved, k=1)])
    kept = [
        (best.queryIdx, best.trainIdx)
        for best, second in matcher.knnMatch(moved, fixed, k=2)
        if best.distance < _RATIO * second.distance and back[best.trainIdx] == best.queryIdx
    ]
    return np.array(kept, np.int64).reshape(-1, 2)


def _robust_homography(
    start: Float64, end: Float64, frame: Size, reach: float
) -> tuple[Float64, npt.NDArray[np.bool_]]:
    """The homography that most matches obey, and which do; the identity and none on failure."""
    nothing = np.eye(3), np.zeros(len(start), bool)
    if len(start) < 4:
        return nothing
    found, _ = cv2.findHomography(start, end, cv2.USAC_MAGSAC, reach, None, 10_000, 0.9999)
    homography = np.asarray(found, np.float64)
    if homography.shape != (3, 3):  # none was found
        return nothing
    for _ in range(3):  # the fit may change which matches obey
        obeys = np.linalg.norm(_project(homography, start) - end, axis=1) < reach
        if obeys.sum() < 4:
            return nothing
        homography = _steadied_fit(start[obeys], end[obeys], frame)
    obeys = np.linalg.norm(_project(homography, start) - end, axis=1) < reach
    return homography, obeys


def _steadied_fit(start: Float64, end: Float64, frame: Size) -> Float64:
    """Least squares, kept near a similarity where the points do not determine the homography.

    Args:
        start, end: matching points, K,2, in pixels.
        frame: size of the picture with ``start``. Its corners join the fit with little weight,
            moved by the similarity (turn, scale, shift) that fits the points best.
    """
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float64) * frame
    moved = _similarity(start, end, corners)
    origin, length = np.array(frame) / 2, max(frame) / 2
    x, y = ((np.vstack((start, corners)) - origin) / length).T
    u, v = ((np.vstack((end, moved)) - origin) / length).T
    weights = np.concatenate((np.ones(len(start)), np.full(4, _CORNER_WEIGHT)))
    zero, one = np.zeros_like(x), np.ones_like(x)
    rows = np.stack(
        (
            np.stack((x, y, one, zero, zero, zero, -u * x, -u * y, -u)),
            np.stack((zero, zero, zero, x, y, one, -v * x, -v * y, -v)),
        )
    )
    rows = (rows * weights).transpose(0, 2, 1).reshape(-1, 9)
    normalised = np.linalg.svd(rows, full_matrices=False)[2][-1].reshape(3, 3)
    to_unit = np.array([[1, 0, -origin[0]], [0, 1, -origin[1]], [0, 0, length]]) / length
    homography: Float64 = np.linalg.inv(to_unit) @ normalised @ to_unit
    homography /= homography[2, 2]
    return homography


def _similarity(start: Float64, end: Float64, points: Float64) -> Float64:
    """``points`` under the similarity that best takes ``start`` to ``end`` (all K,2)."""
    plane = np.array([1, 1j])
    a, b, p = start @ plane, end @ plane, points @ plane
    centred = a - a.mean()
    turn = np.vdot(centred, b - b.mean()) / max(np.vdot(centred, centred).real, 1e-12)
    moved = turn * (p - a.mean()) + b.mean()
    return np.column_stack((moved.real, moved.imag))


def _project(homography: Float64, points: Float64) -> Float64:
    """Points K,2 (x, y) through a homography; behind the viewer they become infinite."""
    x, y, w = (np.column_stack((points, np.ones(len(points)))) @ homography.T).T
    w = np.where(w > 0, w, np.nan)
    projected: Float64 = np.column_stack((x / w, y / w))
    return projected
