"""How published tables measure alpha mattes: region, mean or sum, and scale, as data.

Numbers of two programs can only stand side by side if all three agree, so every output of a score
carries ``Measure.definition``. The rows are those of:

* ``dim``: the evaluation program of Xu et al., Deep Image Matting, CVPR 2017, as it prints;
* ``composition-1k``: the same in the scale of the tables for that set (and Distinctions-646);
* ``rvm``, ``rvm-hr``: the low- and high-resolution programs of Lin et al., Robust High-Resolution
  Video Matting with Temporal Guidance, WACV 2022;
* ``mmedit``: MMEditing's metrics, used by its model zoo;
* ``plain``: all metrics in one scale, over the whole picture or the unknown pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

from mattecli.errors import UsageError
from mattecli.ops.trimap_levels import UNKNOWN

__all__ = [
    "PROTOCOLS",
    "AlphaRegion",
    "Error",
    "Measure",
    "Metric",
    "Protocol",
    "ProtocolName",
    "Region",
    "protocol_for",
]

Metric: TypeAlias = Literal[
    "sad", "mse", "mad", "grad", "conn", "iou", "dtssd", "fgr_mse", "fgr_mad"
]
ProtocolName: TypeAlias = Literal["plain", "dim", "composition-1k", "rvm", "rvm-hr", "mmedit"]
AlphaRegion: TypeAlias = Literal["whole", "unknown"]
Region: TypeAlias = Literal["whole", "unknown", "foreground"]
"""All pixels; those where the trimap is unknown (exactly 128, as in all published programs); those
whose true alpha is above 0."""
Error: TypeAlias = Literal[
    "absolute", "squared", "gradient", "slope", "connectivity", "overlap", "temporal"
]
"""What is summed; but ``overlap`` is a share. ``slope`` is ``gradient`` of pictures that are not
stretched to 0..1 first."""

_FORMULAS: Mapping[Error, str] = MappingProxyType(
    {
        "absolute": "|p - t|",
        "squared": "(p - t)^2",
        "gradient": "squared difference of the gradient magnitudes of p and t (stretched to 0..1)",
        "slope": "squared difference of the gradient magnitudes of p and t",
        "connectivity": "|connectivity of p - connectivity of t|",
        "overlap": "p >= 0.5 and t >= 0.5 / count of p >= 0.5 or t >= 0.5",
        "temporal": "squared difference of the changes since the last frame",
    }
)
_PLACES: Mapping[Region, str] = MappingProxyType(
    {
        "whole": "the whole picture",
        "unknown": f"pixels where the trimap is {UNKNOWN}",
        "foreground": "pixels with true alpha above 0 and the three channels",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One number of a protocol: scale * sum over a region [/ count of a region].

    Attributes:
        metric: its name.
        error: what is summed.
        region: the pixels that are summed over.
        per: the pixels whose count the sum is divided by; None leaves a sum.
        scale: the factor of the published numbers.
    """

    metric: Metric
    error: Error
    region: Region = "whole"
    per: Region | None = None
    scale: float = 1.0

    @property
    def of_colors(self) -> bool:
        """Whether it compares foreground colours instead of alpha."""
        return self.region == "foreground"

    def badness(self, value: float | None) -> float:
        """For sorting: larger for worse pictures; no value counts as 0."""
        return (value or 0.0) if self.error != "overlap" else -(value or 0.0)

    @property
    def definition(self) -> str:
        """How the number is made, in one line without commas, for the outputs."""
        scale = "" if self.scale == 1 else f"{self.scale:g} x "
        if self.error == "overlap":
            return f"count of {_FORMULAS[self.error]} over {_PLACES[self.region]}"
        root = "root of " if self.error == "temporal" else ""
        how = "mean" if self.per == self.region else "sum"
        what = f"{how} of {_FORMULAS[self.error]} over {_PLACES[self.region]}"
        share = "" if self.per in (None, self.region) else f" / count of {_PLACES[self.per]}"
        return f"{scale}{root}{what}{share}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """A family of measures.

    Attributes:
        name: as in the command line and all outputs.
        measures: the numbers, in the order of the outputs.
        forces_known: the prediction is set to 0 and 1 where the trimap is 0 and 255, first.
        mean_of_none: what a mean over no pixels is.
        first_frame: dtSSD of a clip's first frame; None leaves it out of the clip's mean.
        by_frame_index: means are taken over clips for each frame index, then over the indices.
    """

    name: ProtocolName
    measures: tuple[Measure, ...]
    forces_known: bool = False
    mean_of_none: float | None = None
    first_frame: float | None = None
    by_frame_index: bool = False

    @property
    def needs_trimap(self) -> bool:
        """Whether any of its measures needs a trimap."""
        return any("unknown" in (measure.region, measure.per) for measure in self.measures)

    def measure(self, metric: Metric) -> Measure:
        """The measure called ``metric``."""
        return next(measure for measure in self.measures if measure.metric == metric)

    @property
    def conventions(self) -> tuple[str, ...]:
        """What applies to all numbers and their means, in one line each, for the outputs."""
        lines = ["p is the prediction, t the truth, both 0..1"]
        if self.forces_known:
            lines.append("p is first set to 0 and 1 where the trimap is 0 and 255")
        if any(measure.error == "temporal" for measure in self.measures):
            first = "has no dtssd" if self.first_frame is None else "counts as dtssd 0"
            lines.append(f"each folder is a clip, whose first frame {first}")
        lines.append(
            "means are over clips for each frame index, then over the indices"
            if self.by_frame_index
            else "means are over pictures"
        )
        return tuple(lines)


_FOREGROUND_MSE = Measure(
    metric="fgr_mse", error="squared", region="foreground", per="foreground", scale=1000
)
_FOREGROUND_MAD = replace(_FOREGROUND_MSE, metric="fgr_mad", error="absolute")
_WHOLE_MSE = Measure(metric="mse", error="squared", per="whole", scale=1000)
_WHOLE_MAD = replace(_WHOLE_MSE, metric="mad", error="absolute")
_DTSSD = Measure(metric="dtssd", error="temporal", per="whole", scale=100)


def _in_unknown(metric: Metric, error: Error, scale: float, *, mean: bool = False) -> Measure:
    per: Region | None = "unknown" if mean else None
    return Measure(metric=metric, error=error, region="unknown", per=per, scale=scale)


_PLAIN = Protocol(
    name="plain",
    measures=(
        Measure(metric="sad", error="absolute", scale=1e-3),
        _WHOLE_MSE,
        _WHOLE_MAD,
        Measure(metric="grad", error="gradient", scale=1e-3),
        Measure(metric="conn", error="connectivity", scale=1e-3),
        Measure(metric="iou", error="overlap"),
        _DTSSD,
        _FOREGROUND_MSE,
        _FOREGROUND_MAD,
    ),
)
_DIM = Protocol(
    name="dim",
    measures=(
        _in_unknown("sad", "absolute", 1e-3),
        _in_unknown("mse", "squared", 1, mean=True),
        _in_unknown("grad", "gradient", 1),
        _in_unknown("conn", "connectivity", 1),
    ),
)
_COMPOSITION_1K = Protocol(
    name="composition-1k",
    measures=(
        _in_unknown("sad", "absolute", 1e-3),
        _in_unknown("mse", "squared", 1e3, mean=True),
        _in_unknown("grad", "gradient", 1e-3),
        _in_unknown("conn", "connectivity", 1e-3),
    ),
)
_RVM = Protocol(
    name="rvm",
    measures=(
        _WHOLE_MAD,
        _WHOLE_MSE,
        Measure(metric="grad", error="gradient", scale=1e-3),
        Measure(metric="conn", error="connectivity", scale=1e-3),
        _DTSSD,
        _FOREGROUND_MSE,
        _FOREGROUND_MAD,
    ),
    first_frame=0.0,
    by_frame_index=True,
)
_RVM_HR = Protocol(
    name="rvm-hr",
    measures=(
        _WHOLE_MAD,
        _WHOLE_MSE,
        Measure(metric="grad", error="slope", scale=1e-3),
        _DTSSD,
        _FOREGROUND_MSE,
    ),
    first_frame=0.0,
    by_frame_index=True,
)
_MMEDIT = Protocol(
    name="mmedit",
    measures=(
        Measure(metric="sad", error="absolute", scale=1e-3),
        Measure(metric="mse", error="squared", per="unknown"),
        _in_unknown("grad", "gradient", 1e-3),
        _in_unknown("conn", "connectivity", 1e-3),
    ),
    forces_known=True,
    mean_of_none=0.0,
)
PROTOCOLS: Mapping[ProtocolName, Protocol] = MappingProxyType(
    {row.name: row for row in (_PLAIN, _DIM, _COMPOSITION_1K, _RVM, _RVM_HR, _MMEDIT)}
)


def protocol_for(
    name: ProtocolName,
    *,
    region: AlphaRegion | None = None,
    frames: bool = False,
    colors: bool = False,
) -> Protocol:
    """A protocol with those of its measures that the given inputs allow.

    Args:
        name: a row of ``PROTOCOLS``.
        region: where ``plain`` looks (None: the whole picture); the others have their own.
        frames: whether the pictures are consecutive frames, so that dtSSD has a meaning.
        colors: whether foreground colours are given.

    Raises:
        UsageError: the protocol has no such region, no dtSSD, or no foreground error.
    """
    row = PROTOCOLS[name]
    if region is not None and name != "plain":
        raise UsageError(
            f"protocol {name} has its own region", remedy="leave --region out, or use plain"
        )
    if colors and not any(measure.of_colors for measure in row.measures):
        raise UsageError(
            f"protocol {name} has no foreground error", remedy="use plain, rvm or rvm-hr"
        )
    if frames and not any(measure.error == "temporal" for measure in row.measures):
        raise UsageError(f"protocol {name} has no dtSSD", remedy="use plain, rvm or rvm-hr")
    measures = (
        _within_unknown(measure) if region == "unknown" and not measure.of_colors else measure
        for measure in row.measures
        if (frames or measure.error != "temporal") and (colors or not measure.of_colors)
    )
    return replace(row, measures=tuple(measures), by_frame_index=row.by_frame_index and frames)


def _within_unknown(measure: Measure) -> Measure:
    return replace(measure, region="unknown", per=measure.per and "unknown")
