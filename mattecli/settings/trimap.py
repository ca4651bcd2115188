"""Options of ``mattecli trimap``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeAlias

from mattecli.settings.checked import Checked
from mattecli.settings.common import EngineOptions, InputOptions, OutputOptions, RunOptions
from mattecli.settings.option import option

__all__ = ["Kernel", "TrimapCommandOptions", "TrimapShape", "TrimapTask"]

Kernel: TypeAlias = Literal["disk", "ellipse", "rect", "cross"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimapShape(Checked):
    """Trimap."""

    dilate: int = option(10, "--dilate", help="Pixels that the unknown band grows outwards")
    erode: int | None = option(
        None, "--erode", help="Pixels that it grows inwards (default: as --dilate)"
    )
    kernel: Kernel = option(
        "disk", "--kernel", help="disk is exact Euclidean; the others are morphological"
    )
    low: float = option(0.05, "--low", help="Alpha up to this is certain background")
    high: float = option(0.95, "--high", help="Alpha from this on is certain foreground")
    band: str | None = option(
        None,
        "--band",
        help="Size of the band in percent of the subject's size, in place of --dilate and --erode",
        metavar="N|N%",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimapTask(Checked):
    """What to do."""

    repair: bool = option(
        False, "--repair", help="Mend stray values of given trimaps instead of making new ones"
    )
    check: bool = option(
        False, "--check", help="Only verify given trimaps; exit status 1 when one is unusable"
    )
    image: str | None = option(
        None,
        "--image",
        help="The photos, for --check (sizes) and --preview",
        metavar="PATH|FOLDER",
    )
    model: str | None = option(
        None,
        "--model",
        "-m",
        help="Make the trimaps from photos, with this model's alpha",
        metavar="NAME[:VARIANT]",
        env="TRIMAP_MODEL",
    )
    weights: Path | None = option(
        None, "--weights", help="Weights for --model", metavar="FILE", env="TRIMAP_WEIGHTS"
    )
    preview: bool = option(
        False, "--preview", help="Also write a picture of the trimap over the photo (or mask)"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrimapCommandOptions(Checked):
    """Options of ``mattecli trimap``."""

    source: InputOptions = field(default_factory=InputOptions)
    target: OutputOptions = field(default_factory=OutputOptions)
    shape: TrimapShape = field(default_factory=TrimapShape)
    task: TrimapTask = field(default_factory=TrimapTask)
    engine: EngineOptions = field(default_factory=EngineOptions)
    run: RunOptions = field(default_factory=RunOptions)
