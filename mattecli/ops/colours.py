"""Colours that users write."""

from __future__ import annotations

import re
from typing import NamedTuple

from PIL import ImageColor

from mattecli.errors import UsageError

__all__ = ["Colour", "is_colour", "parse_colour"]

_TRIPLE = re.compile(r"\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*")


class Colour(NamedTuple):
    """Red, green and blue, 0..1, sRGB."""

    red: float
    green: float
    blue: float


def parse_colour(text: str) -> Colour:
    """A colour from ``#rgb``, ``#rrggbb``, ``r,g,b``, ``rgb(...)``, ``hsl(...)`` or a CSS name.

    Raises:
        UsageError: it is none of them.
    """
    triple = _TRIPLE.fullmatch(text)
    try:
        levels = (
            tuple(int(level) for level in triple.groups())
            if triple
            else ImageColor.getrgb(text.strip())
        )
        if len(levels) != 3 or max(levels) > 255:
            raise ValueError(text)
    except ValueError:
        raise UsageError(
            f"{text!r} is no colour", remedy="try white, '#00b140' or 0,177,64"
        ) from None
    return Colour(*(level / 255 for level in levels))


def is_colour(text: str) -> bool:
    """Whether ``parse_colour`` takes it."""
    try:
        parse_colour(text)
    except UsageError:
        return False
    return True
