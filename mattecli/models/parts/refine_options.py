"""How much of a picture Background Matting V2 refines.

Lin et al., "Real-Time High-Resolution Background Matting", CVPR 2021, section 3.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from mattecli.errors import CheckpointError

__all__ = ["COARSE_FACTOR", "RefineMode", "RefineOptions", "parsed_factor", "parsed_options"]

RefineMode = Literal["full", "sampling", "thresholding"]

COARSE_FACTOR = "coarse_factor"
"""Option: the multiple of the usual coarse size at which weights work best."""

_LARGEST_FACTOR = 4.0
_LARGEST_SCALE = 0.5
_HD_PIXELS = 1920 * 1080
_HD_SAMPLES = 80_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RefineOptions:
    """How much of the picture is refined.

    Attributes:
        mode: ``full`` every cell; ``sampling`` the cells with the largest expected error, as many
            as ``sample_pixels`` fills; ``thresholding`` those with an error above ``threshold``.
        backbone_scale: coarse size / full size, at most 0.5.
        sample_pixels: full-resolution pixels to refine in each picture (``sampling``).
        threshold: expected error of alpha, 0..1 (``thresholding``).
        prevent_oversampling: never refine a cell whose expected error is 0 (``sampling``).
    """

    mode: RefineMode = "sampling"
    backbone_scale: float = 0.25
    sample_pixels: int = _HD_SAMPLES
    threshold: float = 0.1
    prevent_oversampling: bool = True

    def __post_init__(self) -> None:
        if not 0 < self.backbone_scale <= _LARGEST_SCALE:
            raise ValueError(f"backbone_scale is {self.backbone_scale}, not above 0 and up to 0.5")
        if self.mode not in get_args(RefineMode):
            raise ValueError(f"mode is {self.mode}, not one of {', '.join(get_args(RefineMode))}")
        if not self.threshold >= 0:  # also NaN; above 1 refines nothing
            raise ValueError(f"threshold is {self.threshold}, not 0 or more")
        if self.sample_pixels < 0:
            raise ValueError(f"sample_pixels is {self.sample_pixels}, below 0")

    @classmethod
    def for_size(cls, width: int, height: int, coarse_factor: float = 1.0) -> RefineOptions:
        """The authors' advice for HD (0.25, 80,000) and 4K (0.125, 320,000), extended to any size.

        The scale halves with every fourfold of the pixels, so that the coarse network always sees
        about the 480x270 pixels of that advice; the refined share of the picture stays, but not
        below 80,000 pixels, since a smaller picture has relatively more border.

        Args:
            width, height: of the picture, pixels.
            coarse_factor: multiplies that scale, up to 0.5.
        """
        pixels = width * height
        scale = _LARGEST_SCALE
        while pixels * scale**2 > 2 * _HD_PIXELS * 0.25**2:
            scale /= 2
        samples = max(_HD_SAMPLES, round(_HD_SAMPLES * pixels / _HD_PIXELS))
        scale = min(_LARGEST_SCALE, scale * coarse_factor)
        return cls(backbone_scale=scale, sample_pixels=samples)


def parsed_options(options: Mapping[str, str]) -> dict[str, Any]:
    """Fields of `RefineOptions` as a command line has them.

    Raises:
        CheckpointError: another name, or a value that makes no sense.
    """
    kinds = {field.name: type(field.default) for field in fields(RefineOptions)}
    choices = f"choose among {', '.join((*kinds, COARSE_FACTOR))}"
    unknown = [name for name in options if name not in kinds]
    if unknown:
        raise CheckpointError(f"Background Matting V2 has no option {unknown[0]}", remedy=choices)
    try:
        found = {name: _parsed(kinds[name], text) for name, text in options.items()}
        RefineOptions(**found)  # judges the values
    except ValueError as error:
        raise CheckpointError(str(error), remedy=choices) from None
    return found


def parsed_factor(text: str) -> float:
    """`COARSE_FACTOR` as a command line or a file has it.

    Raises:
        CheckpointError: it makes no sense.
    """
    try:
        factor = float(text)
    except ValueError:
        factor = 0.0
    if not 0 < factor <= _LARGEST_FACTOR:
        raise CheckpointError(
            f"{COARSE_FACTOR} is {text[:20]!r}, not above 0 and up to {_LARGEST_FACTOR:g}",
            remedy=f"give --set {COARSE_FACTOR}=1",
        )
    return factor


def _parsed(kind: type[Any], text: str) -> Any:
    if kind is not bool:
        return kind(text)
    if text not in ("yes", "no"):
        raise ValueError(f"{text} is neither yes nor no")
    return text == "yes"
