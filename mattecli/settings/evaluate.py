"""Options of ``mattecli evaluate``."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field
from typing import Literal

from mattecli.ops.protocols import Metric, ProtocolName
from mattecli.settings.checked import Checked
from mattecli.settings.common import RunOptions, max_pixels_option, recursive_option
from mattecli.settings.option import option

__all__ = ["EvaluateOptions", "PairOptions", "ScoreOptions"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOptions(Checked):
    """Pictures."""

    pred: str = option(
        MISSING, help="Alpha matte to score, or a folder of them", metavar="PRED", env=False
    )
    truth: str = option(
        MISSING, help="The true one, or a folder with one for each", metavar="GT", env=False
    )
    trimap: str | None = option(
        None,
        "--trimap",
        help="Trimap, or a folder with one for each; scores count where it is 128",
        metavar="PATH|FOLDER",
    )
    foreground: str | None = option(
        None,
        "--foreground",
        help="Estimated foreground colours, or a folder with one for each; with --true-foreground",
        metavar="PATH|FOLDER",
    )
    true_foreground: str | None = option(
        None,
        "--true-foreground",
        help="True foreground colours, or a folder with one for each",
        metavar="PATH|FOLDER",
    )
    recursive: bool = recursive_option()
    max_pixels: int = max_pixels_option()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOptions(Checked):
    """Scores."""

    protocol: ProtocolName = option(
        "plain",
        "--protocol",
        help="Whose region, means and scales: plain, dim (the program as it prints),"
        " composition-1k (the same as in tables), rvm, rvm-hr, mmedit",
    )
    region: Literal["auto", "whole", "unknown"] = option(
        "auto",
        "--region",
        help="What plain counts: the whole picture or the unknown pixels; auto: the latter with"
        " --trimap",
    )
    frames: bool = option(
        False, "--frames", help="Folders hold the frames of a clip each: adds dtSSD"
    )
    sort_by: Metric = option("mse", "--sort-by", help="The metric that says what is worst")
    csv: bool = option(
        False, "--csv", help="The scores as CSV on standard output, in place of the table"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOptions(Checked):
    """Options of ``mattecli evaluate``."""

    pair: PairOptions
    score: ScoreOptions = field(default_factory=ScoreOptions)
    run: RunOptions = field(default_factory=RunOptions)
