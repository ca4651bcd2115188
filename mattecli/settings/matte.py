"""Options of ``mattecli matte``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeAlias

from mattecli.settings.checked import Checked
from mattecli.settings.common import (
    DeviceOptions,
    EngineOptions,
    InputOptions,
    OutputOptions,
    RunOptions,
    quality_option,
)
from mattecli.settings.finish import FinishOptions
from mattecli.settings.option import option
from mattecli.settings.trimap import TrimapShape

__all__ = [
    "ForegroundChoice",
    "Kind",
    "MatteOptions",
    "ModelOptions",
    "PixelOptions",
    "WatchOptions",
    "foreground_option",
    "premultiply_option",
    "size_option",
]

Kind: TypeAlias = Literal["alpha", "foreground", "composite", "trimap", "mask", "preview"]
ForegroundChoice: TypeAlias = Literal["auto", "multilevel", "blur-fusion", "none"]
Refine: TypeAlias = Literal["auto", "none", "guided", "closed-form", "dim"]


def size_option() -> Any:
    """``--size``."""
    return option(
        None, "--size", help="Short side that the network sees (default: the model's own)"
    )


def foreground_option() -> Any:
    """``--foreground``."""
    return option(
        "auto",
        "--foreground",
        help="How foreground colours are estimated; auto takes the model's own, else multilevel",
    )


def premultiply_option() -> Any:
    """``--premultiply``."""
    return option(
        False, "--premultiply", help="Write the foreground premultiplied (associated alpha)"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions(Checked):
    """Model."""

    model: str | None = option(
        None,
        "--model",
        "-m",
        help="Which model ('mattecli models list'); chosen by what is given when left out",
        metavar="NAME[:VARIANT]",
    )
    weights: Path | None = option(
        None, "--weights", help="Weights to use instead of the installed ones", metavar="FILE"
    )
    trimap: str | None = option(
        None,
        "--trimap",
        help="Trimap for all photos, a folder with one for each, or auto: from the portrait"
        " model's alpha. For video also a video or images, frame by frame",
        metavar="PATH|FOLDER|auto",
    )
    mask: str | None = option(
        None,
        "--mask",
        help="Mask, matte or cut-out of the subject, or a folder with one for each photo, from"
        " which the trimap is made (--dilate, --erode, --band). For video also a video or images",
        metavar="PATH|FOLDER",
    )
    background: str | None = option(
        None,
        "--background",
        help="Background plate (the scene without the subject) for all photos, or a folder with"
        " one for each. For video also a video, frame by frame. A new background is"
        " --background-fill",
        metavar="PATH|FOLDER",
    )
    align: bool = option(
        False,
        "--align",
        help="Register the background to the photo (to each shot of a video), match its exposure",
    )
    segmentation: str | None = option(
        None,
        "--segmentation",
        help="Rough subject mask for bgm, or a folder with one for each photo (default: made by"
        " the portrait model)",
        metavar="PATH|FOLDER",
    )
    refine_mode: Literal["auto", "full", "sampling", "thresholding"] = option(
        "auto", "--refine-mode", help="Which parts bgmv2 refines; auto follows the photo's size"
    )
    refine: Refine = option(
        "auto",
        "--refine",
        help="How the alpha of a network that saw a smaller photo gets the photo's detail: guided"
        " by its colours (auto), closed-form, or dim on the uncertain band; none enlarges it",
    )
    set: tuple[str, ...] = option(
        (),
        "--set",
        help="What a model's weights do not tell, such as additions=no for dim,"
        " sample_pixels=320000 for bgmv2 or short_side=448 for modnet (may be repeated)",
        metavar="KEY=VALUE",
    )
    size: int | None = size_option()
    reference: bool = option(
        False, "--reference", help="Reproduce the authors' own script, to the level"
    )

    @property
    def has_trimap(self) -> bool:
        """Whether a trimap is given, or what one is to be made of."""
        return self.trimap is not None or self.mask is not None

    @property
    def makes_trimap(self) -> bool:
        """Whether the trimap is made here."""
        return self.trimap == "auto" or self.mask is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelOptions(Checked):
    """Results."""

    write: tuple[Kind, ...] = option(
        (),
        "--write",
        "-w",
        help="What to write, by commas or repeated: alpha, foreground, composite, trimap, mask,"
        " preview. Default: alpha,foreground into a folder, foreground into one file",
        metavar="KINDS",
    )
    foreground: ForegroundChoice = foreground_option()
    bit_depth: Literal["8", "16", "auto"] = option(
        "auto", "--bit-depth", help="Bits of the outputs; auto is that of the photo"
    )
    quality: int | None = quality_option()
    premultiply: bool = premultiply_option()
    rgb: bool = option(False, "--rgb", help="Write the foreground's colours without alpha")
    fail_empty: bool = option(
        False,
        "--fail-empty",
        help="Count a photo in which nothing is found as failed, and write nothing of it",
    )
    background_fill: str | None = option(
        None,
        "--background-fill",
        help="Write a composite before this: a colour (else white), an image, or blur",
        metavar="COLOUR|IMAGE|blur",
    )

    @property
    def fill(self) -> str:
        """What stands behind the composite."""
        return "white" if self.background_fill is None else self.background_fill


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchOptions(Checked):
    """Hot folder."""

    watch: float | None = option(
        None,
        "--watch",
        help="Do what is missing, then look every so many seconds for photos that came into the"
        " input folders, until interrupted",
        metavar="SECONDS",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteOptions(Checked):
    """Options of ``mattecli matte``."""

    source: InputOptions = field(default_factory=InputOptions)
    target: OutputOptions = field(default_factory=OutputOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    pixels: PixelOptions = field(default_factory=PixelOptions)
    finish: FinishOptions = field(default_factory=FinishOptions)
    shape: TrimapShape = field(default_factory=TrimapShape)
    device: DeviceOptions = field(default_factory=DeviceOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)
    run: RunOptions = field(default_factory=RunOptions)
    watch: WatchOptions = field(default_factory=WatchOptions)
