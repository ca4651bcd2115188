"""Numbers with a unit that users write."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mattecli.errors import UsageError

__all__ = ["Amount", "parse_percent"]


@dataclass(frozen=True, slots=True)
class Amount:
    """So many pixels, or a share of something.

    Attributes:
        number: pixels, or the share (1 is all of it).
        is_share: which of the two.
    """

    number: float = 0.0
    is_share: bool = False

    @classmethod
    def parsed(cls, text: str, flag: str) -> Amount:
        """From ``12`` or ``12px`` (pixels) or ``5%``.

        Args:
            text: as the user wrote it.
            flag: the option, for the message.

        Raises:
            UsageError: it is none of them.
        """
        is_share = text.endswith("%")
        number = _number(text.removesuffix("%") if is_share else text.lower().removesuffix("px"))
        if number is None:
            raise UsageError(f"{flag} {text!r} is neither pixels nor percent", remedy=_REMEDY)
        return cls(number / 100 if is_share else number, is_share)

    def of(self, whole: float) -> float:
        """The pixels that it is, where all is ``whole`` pixels."""
        return self.number * whole if self.is_share else self.number


_REMEDY = "give 20, or 5%"


def parse_percent(text: str, flag: str) -> float:
    """A percentage from ``5`` or ``5%``.

    Args:
        text: as the user wrote it.
        flag: the option, for the message.

    Raises:
        UsageError: it is neither.
    """
    number = _number(text.removesuffix("%"))
    if number is None:
        raise UsageError(f"{flag} {text!r} is no percentage", remedy="give 5, or 5%")
    return number


def _number(text: str) -> float | None:
    """A finite number from 0 on; None if it is none."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None
