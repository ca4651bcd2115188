"""Scores one picture by a protocol, and takes the means that tables print."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from statistics import fmean
from types import MappingProxyType
from typing import TypeAlias

import cv2

from mattecli.errors import InputError, TrimapError, UsageError
from mattecli.ops.connectivity import connectivity_error
from mattecli.ops.metrics import (
    ImagePair,
    Mask,
    absolute_error,
    gradient_error,
    mask_of,
    overlap,
    squared_error,
    temporal_error,
)
from mattecli.ops.protocols import Error, Measure, Protocol, Region
from mattecli.ops.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from mattecli.records import Size

__all__ = ["Sample", "Scores", "mean_scores", "score"]

_SUMS: Mapping[Error, Callable[[ImagePair, Mask | None], float]] = MappingProxyType(
    {
        "absolute": absolute_error,
        "squared": squared_error,
        "gradient": gradient_error,
        "slope": partial(gradient_error, stretch=False),
        "connectivity": connectivity_error,
        "overlap": overlap,
    }
)

Scores: TypeAlias = Mapping[str, float | None]
"""Values by metric; None where there is none: a mean over no pixels, dtSSD of a first frame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """What one picture is scored on.

    Attributes:
        alpha: estimated and true alpha, H,W.
        trimap: H,W uint8; 0 background, 128 unknown, 255 foreground.
        before: the alpha pair of the frame before; None for a first frame.
        colors: estimated and true foreground colours, H,W,3 RGB, unassociated.
    """

    alpha: ImagePair
    trimap: Mask | None = None
    before: ImagePair | None = None
    colors: ImagePair | None = None

    def __post_init__(self) -> None:
        """Refuse parts of another size.

        Raises:
            TrimapError: the trimap is not as large as the mattes.
            InputError: the colours are not.
        """
        size = Size.of(self.alpha.truth)
        if self.trimap is not None and Size.of(self.trimap) != size:
            raise TrimapError(
                f"the trimap is {Size.of(self.trimap)}, the mattes are {size}",
                remedy="give the trimap of this picture",
            )
        if self.colors is not None and Size.of(self.colors.truth) != size:
            raise InputError(
                f"the foregrounds are {Size.of(self.colors.truth)}, the mattes are {size}",
                remedy="give the foregrounds of this picture",
            )

    def mask(self, region: Region) -> Mask | None:
        """H,W, non-zero in a region; None for the whole picture.

        Raises:
            UsageError: the region is that of a trimap, and there is none.
        """
        if region == "whole":
            return None
        if region == "foreground":
            return mask_of(self.alpha.truth > 0)
        if self.trimap is None:
            raise UsageError("unknown pixels are scored, and there is no trimap")
        return mask_of(self.trimap == UNKNOWN)

    def count(self, region: Region) -> int:
        """Pixels in a region; for colours, times their channels."""
        mask = self.mask(region)
        pixels = self.alpha.truth.size if mask is None else cv2.countNonZero(mask)
        return pixels * 3 if region == "foreground" else pixels


def score(sample: Sample, protocol: Protocol) -> dict[str, float | None]:
    """Every number of a protocol for one picture.

    Args:
        sample: with what the protocol's measures need.
        protocol: from ``protocol_for``.

    Raises:
        UsageError: the sample lacks the trimap or the colours that a measure needs.
        InputError: two frames differ in size.
    """
    if protocol.forces_known:
        sample = replace(sample, alpha=_forced(sample))
    return {measure.metric: _value(measure, sample, protocol) for measure in protocol.measures}


def _value(measure: Measure, sample: Sample, protocol: Protocol) -> float | None:
    value = _error_sum(measure, sample)
    if value is None:
        return protocol.first_frame
    if measure.per is not None:
        count = sample.count(measure.per)
        if count == 0:
            return protocol.mean_of_none
        value /= count
    return measure.scale * (math.sqrt(value) if measure.error == "temporal" else value)


def _error_sum(measure: Measure, sample: Sample) -> float | None:
    """The sum that a measure scales; None for changes since a frame that is not there."""
    pair = sample.colors if measure.of_colors else sample.alpha
    region = sample.mask(measure.region)
    if pair is None:
        raise UsageError("foreground colours are scored, and there are none")
    if measure.error == "temporal":
        return None if sample.before is None else temporal_error(pair, sample.before, region)
    return _SUMS[measure.error](pair, region)


def _forced(sample: Sample) -> ImagePair:
    """The alpha pair with the prediction set to the trimap where that is certain."""
    if sample.trimap is None:
        raise UsageError("the protocol forces known pixels, and there is no trimap")
    pred = sample.alpha.pred.copy()
    pred[sample.trimap == BACKGROUND] = 0
    pred[sample.trimap == FOREGROUND] = sample.alpha.white
    return ImagePair(pred, sample.alpha.truth)


def mean_scores(rows: Iterable[Scores]) -> dict[str, float | None]:
    """The plain mean of each metric over the rows that have a value for it; None without any."""
    columns: dict[str, list[float]] = {}
    for row in rows:
        for metric, value in row.items():
            values = columns.setdefault(metric, [])
            if value is not None:
                values.append(value)
    return {metric: fmean(values) if values else None for metric, values in columns.items()}
