"""Trimaps: 0 certain background, 128 unknown, 255 certain foreground."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from typing import Literal

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.errors import TrimapError, UsageError
from mattecli.ops.pixels import levels_max, to_levels
from mattecli.records import Array, Size

__all__ = [
    "BACKGROUND",
    "FOREGROUND",
    "UNKNOWN",
    "Problem",
    "TrimapCheck",
    "TrimapOptions",
    "check_trimap",
    "make_trimap",
    "preview_trimap",
    "repair_trimap",
    "require_usable",
]

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255

Mask = npt.NDArray[np.bool_]
Levels8 = npt.NDArray[np.uint8]

_SHAPES = {"ellipse": cv2.MORPH_ELLIPSE, "rect": cv2.MORPH_RECT, "cross": cv2.MORPH_CROSS}
_UNKNOWN_TINT = (255, 170, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimapOptions:
    """The shape of the unknown band.

    Attributes:
        dilate: pixels that it grows outwards, from what is not certain background.
        erode: pixels that it grows inwards, from what is not certain foreground; None: as
            ``dilate``.
        kernel: ``disk`` is the exact Euclidean distance; the others are structuring elements of
            side 2N+1, applied once.
        low: alpha (0..1) up to which a pixel is certain background.
        high: alpha from which a pixel is certain foreground.
        band_percent: the band's width on either side in percent of the subject's size (square root
            of its area), in place of ``dilate`` and ``erode``.

    Raises:
        UsageError: a number is out of its range.
    """

    dilate: int = 10
    erode: int | None = None
    kernel: Literal["disk", "ellipse", "rect", "cross"] = "disk"
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

    A pixel is unknown if its alpha is neither certain background nor certain foreground, or if it
    lies within ``dilate`` pixels of one that is not certain background while it is, or within
    ``erode`` pixels of one that is not certain foreground while it is. What lies outside the
    picture counts as neither.

    Args:
        alpha: H,W; levels, or floats 0..1.
        options: the band's shape.

    Returns:
        uint8 H,W of 0, 128, 255.
    """
    white = 1.0 if np.issubdtype(alpha.dtype, np.floating) else float(levels_max(alpha.dtype))
    subject = alpha > options.low * white
    solid = alpha >= options.high * white
    outwards, inwards = _widths(subject, options)
    trimap = np.full(alpha.shape, UNKNOWN, np.uint8)
    trimap[~_grown(subject, outwards, options.kernel)] = BACKGROUND
    trimap[~_grown(~solid, inwards, options.kernel)] = FOREGROUND
    return trimap


def _widths(subject: Mask, options: TrimapOptions) -> Size:
    """Pixels outwards and inwards."""
    if options.band_percent is not None:
        side = float(np.sqrt(np.count_nonzero(subject)))
        width = max(1, round(side * options.band_percent / 100))
        return Size(width, width)
    return Size(options.dilate, options.dilate if options.erode is None else options.erode)


def _grown(mask: Mask, pixels: int, kernel: str) -> Mask:
    """The mask and what lies within so many pixels of it."""
    if pixels == 0 or not mask.any():
        return mask
    levels = mask.view(np.uint8)
    if kernel != "disk":
        element = cv2.getStructuringElement(_SHAPES[kernel], (2 * pixels + 1, 2 * pixels + 1))
        return cv2.dilate(levels, element).view(np.bool_)
    distance = cv2.distanceTransform(1 - levels, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # Distances are square roots of whole numbers: the next one after N is at least 1/(2N+1) away.
    near: Mask = distance <= np.float32(pixels + 0.25 / pixels)
    return near


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
        problems: why it cannot be used; empty: it can.
    """

    background_share: float
    unknown_share: float
    foreground_share: float
    problems: tuple[Problem, ...] = ()


def check_trimap(trimap: Array, photo: Size | None = None) -> TrimapCheck:
    """Whether a trimap can be used.

    Args:
        trimap: H,W levels.
        photo: the photo's size, if it is to be compared.
    """
    levels = to_levels(trimap)
    counts = np.bincount(levels.ravel(), minlength=256)
    known = {BACKGROUND, UNKNOWN, FOREGROUND}
    strays = [int(level) for level in np.flatnonzero(counts) if int(level) not in known]
    problems = [
        *_size_problem(Size.of(trimap), photo),
        *_stray_problem(strays, int(counts[strays].sum())),
        *_region_problems(counts),
    ]
    total = max(int(counts.sum()), 1)
    return TrimapCheck(
        background_share=int(counts[BACKGROUND]) / total,
        unknown_share=int(counts[UNKNOWN]) / total,
        foreground_share=int(counts[FOREGROUND]) / total,
        problems=tuple(problems),
    )


def _size_problem(size: Size, photo: Size | None) -> list[Problem]:
    if photo is None or size == photo:
        return []
    return [
        Problem(
            f"the trimap is {size}, its photo {photo}", "make it from a mask of the photo's size"
        )
    ]


def _stray_problem(strays: list[int], pixels: int) -> list[Problem]:
    if not strays:
        return []
    listed = ", ".join(str(level) for level in strays[:5]) + (" ..." if len(strays) > 5 else "")
    return [
        Problem(
            f"{pixels} pixels of the trimap are neither 0, 128 nor 255 ({listed})",
            "mend it with 'mattecli trimap --repair'",
        )
    ]


def _region_problems(counts: npt.NDArray[np.intp]) -> list[Problem]:
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


def require_usable(trimap: Array, photo: Size | None, path: str | PathLike[str]) -> None:
    """Fail unless a trimap can be used.

    Args:
        trimap: H,W levels.
        photo: the photo's size, if it is to be compared.
        path: the trimap's file, for the message.

    Raises:
        TrimapError: names the first problem and its remedy.
    """
    for problem in check_trimap(trimap, photo).problems:
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


def preview_trimap(color: Array, trimap: Array) -> Levels8:
    """The photo with its unknown band tinted and its background darkened.

    Args:
        color: H,W,3 RGB.
        trimap: uint8 H,W of 0, 128, 255.

    Returns:
        uint8 H,W,3 RGB.
    """
    shown = to_levels(color).copy()
    background, unknown = trimap == BACKGROUND, trimap == UNKNOWN
    shown[background] //= 3
    tint = np.array(_UNKNOWN_TINT, np.uint16)
    shown[unknown] = ((shown[unknown].astype(np.uint16) + tint) // 2).astype(np.uint8)
    return shown
