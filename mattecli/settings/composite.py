"""Options of ``mattecli composite``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mattecli.settings.checked import Checked
from mattecli.settings.common import (
    EngineOptions,
    InputOptions,
    OutputOptions,
    RunOptions,
    quality_option,
)
from mattecli.settings.option import option

__all__ = ["BlendOptions", "CompositeOptions", "Fit"]

Fit: TypeAlias = Literal["cover", "contain", "stretch", "tile"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BlendOptions(Checked):
    """Composite."""

    background: str = option(
        "white",
        "--background",
        "-b",
        help="A colour, an image, a folder of images, transparent, or blur",
        metavar="COLOUR|IMAGE|FOLDER|transparent|blur",
    )
    alpha: str | None = option(
        None,
        "--alpha",
        help="Alpha for photos without one: a file, or a folder with one for each",
        metavar="PATH|FOLDER",
    )
    decontaminate: bool = option(
        True,
        "--decontaminate/--no-decontaminate",
        help="Estimate the foreground colours of photos given with --alpha",
    )
    fit: Fit = option("cover", "--fit", help="How a background image fills the frame")
    offset: str = option(
        "0,0", "--offset", help="Moves the subject right and down, in pixels", metavar="X,Y"
    )
    scale: float = option(1.0, "--scale", help="Enlarges the subject about its centre")
    linear: bool = option(False, "--linear", help="Blend in linear light")
    each_background: bool = option(
        False, "--each-background", help="Every foreground over every background of the folder"
    )
    quality: int | None = quality_option()


@dataclass(frozen=True, slots=True, kw_only=True)
class CompositeOptions(Checked):
    """Options of ``mattecli composite``."""

    source: InputOptions = field(default_factory=InputOptions)
    target: OutputOptions = field(default_factory=OutputOptions)
    blend: BlendOptions = field(default_factory=BlendOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)
    run: RunOptions = field(default_factory=RunOptions)
