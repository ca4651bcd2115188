"""Trimaps: 0 certain background, 128 unknown, 255 certain foreground."""

from __future__ import annotations

import math
from dataclasses import dataclass
from os import PathLike
from typing import Literal, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.errors import TrimapError, UsageError
from mattecli.ops.blocks import blocks
from mattecli.ops.pixels import levels_max, to_levels
from mattecli.ops.trimap_levels import BACKGROUND, FOREGROUND, UNKNOWN
from mattecli.records import Array, Size

__all__ = [
    "BACKGROUND",
    "FOREGROUND",
    "UNKNOWN",
    "Kernel",
    "Problem",
    "TrimapCheck",
    "TrimapOptions",
    "check_trimap",
    "make_trimap",
    "repair_trimap",
    "require_usable",
]

Mask = npt.NDArray[np.bool_]
Levels8 = npt.NDArray[np.uint8]
Counts = npt.NDArray[np.intp]

Kernel: TypeAlias = Literal["disk", "ellipse", "rect", "cross"]

_SHAPES = {"ellipse": cv2.MORPH_ELLIPSE, "rect": cv2.MORPH_RECT, "cross": cv2.MORPH_CROSS}
_SIDE = 256
_NEAR = 8  # levels that a codec may have moved most pixels of a trimap by
_COARSE = 512  # pixels; from here on OpenCV's distances are too coarse, and vary with threads


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimapOptions:
    """The shape of the unknown band.

    Attributes:
        dilate: pixels that it grows outwards, from what is not certain background.
        erode: pixels that it grows inwards, from what is not certain foreground; None: as
            ``dilate``.
        kernel: ``disk`` is the exact Euclidean distance; the others are structuring elements of
            side 2N+1, applied once.
        low: alpha (0..1) up to which a pixel is certain background. The default leaves room for
            the haze of a network's alpha and for the ringing of a mask kept as JPEG, about a
            dozen of 255 levels each; a true edge as faint as that lies within the band anyway.
        high: alpha from which a pixel is certain foreground.
        band_percent: the band's width on either side in percent of the subject's size (square root
            of its area), in place of ``dilate`` and ``erode``.

    Raises:
        UsageError: a number is out of its range.
    """

    dilate: int = 10
    erode: int | None = None
    kernel: Kernel = "disk"
    low: float = 0.05
    high: float = 0.95
    band_percent: float | None = None

    def __post_init__(self) -> None:
        if self.dilate < 0 or (self.erode is not None and self.erode < 0):
            raise UsageError("a trimap's band cannot be negative", remedy="give 0 or more pixels")
        if not 0 <= self.low < self.high <= 1:
            raise UsageError(
                f"low {self.low} and high {self.high} leave nothing between them",
                remedy="give 0 <= low < high <= 1",
            )
        if self.band_percent is not None and not 0 < self.band_percent <= 100:
            raise UsageError(
                f"a band of {self.band_percent} percent makes no sense", remedy="try 5"
            )


def make_trimap(alpha: Array, options: TrimapOptions) -> Levels8:
    """A trimap from a mask or an alpha.

    A pixel is unknown if its alpha is neither certain background nor certain foreground. So is
    certain background within ``dilate`` pixels of anything else, and certain foreground within
    ``erode`` pixels of anything else. Beyond the picture's border there is nothing else.

    Args:
        alpha: H,W; levels, or floats 0..1.
        options: the band's shape.

    Returns:
        uint8 H,W of 0, 128, 255.
    """
    subject, open_ = _uncertain(alpha, options)
    outwards, inwards = _widths(subject, options)
    trimap = np.full(alpha.shape, UNKNOWN, np.uint8)
    trimap[~_grown(subject, outwards, options.kernel)] = BACKGROUND
    trimap[~_grown(open_, inwards, options.kernel)] = FOREGROUND
    return trimap


def _uncertain(alpha: Array, options: TrimapOptions) -> tuple[Mask, Mask]:
    """Pixels that are not certain background; those not certain foreground. NaN is in both."""
    if np.issubdtype(alpha.dtype, np.floating):
        return ~(alpha <= options.low), ~(alpha >= options.high)
    white = levels_max(alpha.dtype)
    # Whole numbers: comparing levels with a fraction would copy them as floats.
    return alpha > math.floor(options.low * white), alpha < math.ceil(options.high * white)


def _widths(subject: Mask, options: TrimapOptions) -> tuple[int, int]:
    """Pixels outwards and inwards."""
    if options.band_percent is not None:
        side = math.sqrt(np.count_nonzero(subject))
        width = max(1, round(side * options.band_percent / 100))
        return width, width
    return options.dilate, options.dilate if options.erode is None else options.erode


def _grown(mask: Mask, pixels: int, kernel: Kernel) -> Mask:
    """The mask and all that lies within ``pixels`` of it."""
    if pixels == 0:
        return mask
    grown = mask.copy()
    for block in blocks(Size.of(mask), max(_SIDE, 4 * pixels), halo=pixels):
        piece = np.ascontiguousarray(mask[block.outer])
        if piece.any() and not piece.all():
            grown[block.inner] = _dilated(piece, pixels, kernel)[block.core]
    return grown


def _dilated(mask: Mask, pixels: int, kernel: Kernel) -> Mask:
    levels = mask.view(np.uint8)
    if kernel != "disk":
        element = cv2.getStructuringElement(_SHAPES[kernel], (2 * pixels + 1, 2 * pixels + 1))
        return cv2.dilate(levels, element).view(np.bool_)
    # Distances are roots of whole numbers: after N comes sqrt(N^2 + 1), about N + 1/(2N). Half way
    # there rounding of floats does no harm.
    near: Mask = _distance(levels, pixels) <= pixels + 0.25 / pixels
    return near


def _distance(levels: Levels8, most: int) -> Array:
    """Distance of each pixel from the nearest 1, exact enough to tell those near ``most`` apart."""
    if most < _COARSE or not levels.any():
        return cv2.distanceTransform(1 - levels, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    from scipy.ndimage import distance_transform_edt

    exact: npt.NDArray[np.float64] = distance_transform_edt(levels == 0)
    return exact


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a trimap, and how to mend it."""

    cause: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimapCheck:
    """What a trimap holds.

    Attributes:
        background_share, unknown_share, foreground_share: of all pixels, 0..1.
        strays: pixels of any other value than 0, 128 and 255.
        problems: why it cannot be used; empty if it can.
    """

    background_share: float
    unknown_share: float
    foreground_share: float
    strays: int
    problems: tuple[Problem, ...] = ()


def check_trimap(trimap: Array, photo: Size | None = None) -> TrimapCheck:
    """Whether a trimap can be used.

    Args:
        trimap: H,W levels.
        photo: the photo's size; None: not compared.
    """
    counts = _histogram(to_levels(trimap))
    strays = counts.copy()
    strays[[BACKGROUND, UNKNOWN, FOREGROUND]] = 0
    problems = [
        *_size_problem(Size.of(trimap), photo),
        *_stray_problem(strays, is_matte=_is_matte(counts)),
        *_region_problems(counts),
    ]
    background, unknown, foreground = (
        int(counts[level]) / trimap.size for level in (BACKGROUND, UNKNOWN, FOREGROUND)
    )
    return TrimapCheck(
        background_share=background,
        unknown_share=unknown,
        foreground_share=foreground,
        strays=int(strays.sum()),
        problems=tuple(problems),
    )


def _histogram(levels: Levels8) -> Counts:
    """How many pixels have each of the 256 levels."""
    counts = np.zeros(256, np.intp)
    for row in levels:  # a row at a time: counting makes a copy eight times as large
        counts += np.bincount(row, minlength=256)
    return counts


def _size_problem(size: Size, photo: Size | None) -> list[Problem]:
    if photo is None or size == photo:
        return []
    return [
        Problem(
            f"the trimap is {size}, its photo {photo}", "make it from a mask of the photo's size"
        )
    ]


def _is_matte(counts: Counts) -> bool:
    """Whether an alpha matte or a mask is more likely than a trimap that a codec has spoilt."""
    low, unknown, high = (
        int(counts[max(0, level - _NEAR) : level + _NEAR + 1].sum())
        for level in (BACKGROUND, UNKNOWN, FOREGROUND)
    )
    return int(counts.sum()) - low - high >= 2 * unknown


def _stray_problem(strays: Counts, *, is_matte: bool) -> list[Problem]:
    if not strays.any():
        return []
    found = np.flatnonzero(strays)
    listed = ", ".join(str(level) for level in found[:5]) + (" ..." if len(found) > 5 else "")
    return [
        Problem(
            f"the trimap has other values than 0, 128 and 255 ({listed}; pixels: {strays.sum()})",
            "it looks like a matte, of which 'mattecli trimap FILE' makes a trimap"
            if is_matte
            else "mend it with 'mattecli trimap --repair'",
        )
    ]


def _region_problems(counts: Counts) -> list[Problem]:
    remedies = {
        UNKNOWN: ("unknown (128)", "make its band wider: 'mattecli trimap --dilate N'"),
        FOREGROUND: ("foreground (255)", "mark what is certain, or use a smaller --erode"),
        BACKGROUND: ("background (0)", "mark what is certain, or use a smaller --dilate"),
    }
    return [
        Problem(f"the trimap has no {name} pixel", remedy)
        for level, (name, remedy) in remedies.items()
        if counts[level] == 0
    ]


def require_usable(
    trimap: Array, photo: Size | None, path: str | PathLike[str], *, any_values: bool = False
) -> None:
    """Fail unless a trimap can be used.

    Args:
        trimap: H,W levels.
        photo: the photo's size; None: not compared.
        path: the trimap's file, for the message.
        any_values: compare the size alone, as the authors' scripts take any values.

    Raises:
        TrimapError: names the first problem and its remedy.
    """
    size = _size_problem(Size.of(trimap), photo)
    for problem in size if any_values else check_trimap(trimap, photo).problems:
        raise TrimapError(problem.cause, path=path, remedy=problem.remedy)


def repair_trimap(levels: Array) -> Levels8:
    """A trimap with its stray values set to the nearest of 0 (below 64), 128 and 255 (from 192).

    Args:
        levels: H,W; uint8, uint16 or floats 0..1.
    """
    table = np.full(256, UNKNOWN, np.uint8)
    table[:64], table[192:] = BACKGROUND, FOREGROUND
    repaired: Levels8 = table[to_levels(levels)]
    return repaired
