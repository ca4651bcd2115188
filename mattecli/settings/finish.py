"""Options for what is done to a finished alpha and its colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from mattecli.settings.checked import Checked
from mattecli.settings.option import option

__all__ = ["Despill", "FinishOptions", "FrameFinishOptions", "Keep"]

Despill: TypeAlias = Literal["auto", "off", "green", "blue"]
Keep: TypeAlias = Literal["all", "largest"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameFinishOptions(Checked):
    """Finish."""

    min_area: str = option(
        "0",
        "--min-area",
        help="Drop separate parts of the alpha of fewer pixels than this (%: of the picture's)",
        metavar="N|N%",
    )
    keep: Keep = option(
        "all", "--keep", help="largest drops all separate parts of the alpha but the largest"
    )
    fill_holes: str = option(
        "0",
        "--fill-holes",
        help="Make enclosed holes in the subject of fewer pixels than this opaque (%: of the"
        " picture's); what reaches the picture's border is no hole",
        metavar="N|N%",
    )
    invert: bool = option(False, "--invert", help="Cut out the background instead of the subject")
    threshold: float | None = option(
        None,
        "--threshold",
        help="Make alpha hard: opaque from this value (0 to 1) on, else transparent",
    )
    choke: float = option(
        0.0, "--choke", help="Move alpha's edge inwards by so many pixels; outwards if negative"
    )
    feather: float = option(
        0.0, "--feather", help="Soften alpha's edge by a blur of so many pixels' deviation"
    )
    despill: Despill = option(
        "auto",
        "--despill",
        help="Take a green or blue screen's light off the subject's edges; auto: where there is"
        " such a screen",
    )
    despill_strength: float = option(
        1.0, "--despill-strength", help="How much of it is taken off, 0 to 1"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishOptions(FrameFinishOptions):
    """Finish."""

    crop: Literal["off", "subject"] = option(
        "off", "--crop", help="subject cuts outputs to what shows; the box is in the report"
    )
    margin: str = option(
        "2%",
        "--margin",
        help="Room around a cropped subject: pixels, or percent of its longer side",
        metavar="N|N%",
    )
