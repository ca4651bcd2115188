"""What users may do to a finished alpha, in one fixed order."""

from __future__ import annotations

from dataclasses import dataclass

from mattecli.errors import UsageError
from mattecli.ops.alpha import (
    bounding_box,
    choked,
    feathered,
    fill_holes,
    inverted,
    keep_parts,
    thresholded,
)
from mattecli.ops.amounts import Amount
from mattecli.ops.segmentation import Box
from mattecli.records import Array, Size

__all__ = ["AlphaFinish", "box_with_margin"]

_FARTHEST = 1000  # pixels
_NOTHING = Amount()


@dataclass(frozen=True, slots=True, kw_only=True)
class AlphaFinish:
    """Changes to an alpha.

    Attributes:
        min_area: the smallest separate part that is kept; a share is one of the picture.
        only_largest: drop all separate parts but the one of the most pixels.
        fill_holes: holes of fewer pixels become opaque; a share is one of the picture.
        invert: show the background instead.
        threshold: alpha (0..1) that becomes 1, as all above it does; less becomes 0. None: soft.
        choke: pixels by which the edge moves inwards; outwards if negative.
        feather: standard deviation of a blur, pixels.

    Raises:
        UsageError: a number is out of its range.
    """

    min_area: Amount = _NOTHING
    only_largest: bool = False
    fill_holes: Amount = _NOTHING
    invert: bool = False
    threshold: float | None = None
    choke: float = 0.0
    feather: float = 0.0

    def __post_init__(self) -> None:
        if self.threshold is not None and not 0 < self.threshold <= 1:
            raise UsageError(
                f"--threshold {self.threshold} is no alpha", remedy="give one above 0, up to 1"
            )
        if not abs(self.choke) <= _FARTHEST:
            raise UsageError(
                f"--choke {self.choke} is out of range", remedy=f"give {_FARTHEST} pixels at most"
            )
        if not 0 <= self.feather <= _FARTHEST:
            raise UsageError(
                f"--feather {self.feather} is out of range", remedy=f"give 0 to {_FARTHEST} pixels"
            )

    def selected(self, alpha: Array) -> Array:
        """Alpha after the steps that choose what is shown; it still tells how colours mix.

        Args:
            alpha: H,W, levels or floats 0..1.
        """
        area = self.min_area.of(alpha.size)
        if area > 1 or self.only_largest:
            alpha = keep_parts(alpha, area, only_largest=self.only_largest)
        if self.fill_holes.number > 0:
            alpha = fill_holes(alpha, self.fill_holes.of(alpha.size))
        return inverted(alpha) if self.invert else alpha

    def shaped(self, alpha: Array) -> Array:
        """Alpha after the steps that shape the edge; it no longer tells how colours mix.

        Args:
            alpha: H,W, levels or floats 0..1, as ``selected`` gives it.
        """
        if self.threshold is not None:
            alpha = thresholded(alpha, self.threshold)
        if self.choke != 0:
            alpha = choked(alpha, self.choke)
        return feathered(alpha, self.feather)


def box_with_margin(alpha: Array, margin: Amount) -> Box:
    """The box around what is visible, with room around it, cut off at the picture's border.

    Args:
        alpha: H,W.
        margin: pixels, or a share of the subject's longer side.

    Raises:
        InputError: nothing is visible.
    """
    tight = bounding_box(alpha)
    return tight.grown(round(margin.of(max(tight.height, tight.width))), Size.of(alpha))
