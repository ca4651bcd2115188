"""What users may do to a finished alpha, in one fixed order."""

from __future__ import annotations

from dataclasses import dataclass

from mattecli.errors import UsageError
from mattecli.ops.alpha import (
    bounding_box,
    choked,
    drop_specks,
    feathered,
    inverted,
    thresholded,
)
from mattecli.ops.segmentation import Box
from mattecli.records import Array, Size

__all__ = ["AlphaFinish", "Margin"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlphaFinish:
    """Changes to an alpha.

    Attributes:
        min_area: the smallest separate part that is kept, in pixels.
        invert: show the background instead.
        threshold: alpha (0..1) that becomes 1, as all above it does; less becomes 0. None: soft.
        choke: pixels by which the edge moves inwards; outwards if negative.
        feather: standard deviation of a blur, pixels.

    Raises:
        UsageError: a number is out of its range.
    """

    min_area: int = 0
    invert: bool = False
    threshold: float | None = None
    choke: float = 0.0
    feather: float = 0.0

    def __post_init__(self) -> None:
        if self.min_area < 0:
            raise UsageError("a part cannot have fewer than no pixels", remedy="give --min-area 0")
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
        kept = drop_specks(alpha, self.min_area) if self.min_area > 1 else alpha
        return inverted(kept) if self.invert else kept

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


_FARTHEST = 1000


@dataclass(frozen=True, slots=True)
class Margin:
    """Room around a subject.

    Attributes:
        amount: pixels, or a share of the subject's longer side.
        is_share: which of the two.
    """

    amount: float
    is_share: bool

    @classmethod
    def parsed(cls, text: str) -> Margin:
        """From ``12`` (pixels) or ``5%``.

        Raises:
            UsageError: it is neither.
        """
        number, percent = text.removesuffix("%").strip(), text.endswith("%")
        try:
            amount = float(number)
        except ValueError:
            amount = -1
        if not 0 <= amount <= 1e6:
            raise UsageError(f"--margin {text!r} is no margin", remedy="give 20, or 5%")
        return cls(amount / 100 if percent else amount, percent)

    def around(self, alpha: Array) -> Box:
        """The box around what is visible, with the margin, cut off at the picture's border.

        Args:
            alpha: H,W.

        Raises:
            InputError: nothing is visible.
        """
        tight = bounding_box(alpha)
        share = max(tight.height, tight.width) if self.is_share else 1
        return tight.grown(round(self.amount * share), Size.of(alpha))
