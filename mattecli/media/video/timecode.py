"""SMPTE timecode: the label of a frame, counted from an earlier one's."""

from __future__ import annotations

import re
from fractions import Fraction

__all__ = ["advanced"]

_FORM = re.compile(r"(\d\d):(\d\d):(\d\d)([:;.])(\d\d)")


def advanced(timecode: str, frames: int, rate: Fraction | None) -> str:
    """The timecode of a later frame.

    Args:
        timecode: ``HH:MM:SS:FF``; with a semicolon or full stop before FF, labels are dropped.
        frames: how many frames later.
        rate: frames per second.

    Returns:
        The label; "" where it cannot be told: no rate, or no timecode.
    """
    found = _FORM.fullmatch(timecode.strip())
    if found is None or not rate:
        return "" if frames else timecode
    hours, minutes, seconds, mark, frame = found.groups()
    nominal = round(rate)
    drops = 0 if mark == ":" else nominal // 15  # labels a minute, but for each tenth
    minute = 60 * int(hours) + int(minutes)
    number = (60 * minute + int(seconds)) * nominal + int(frame) - drops * (minute - minute // 10)
    return _label(number + frames, nominal, drops, mark)


def _label(number: int, nominal: int, drops: int, mark: str) -> str:
    tenth = 600 * nominal - 9 * drops
    tens, rest = divmod(number, tenth)
    dropped = 9 * drops * tens
    if rest >= 60 * nominal:
        dropped += drops * (1 + (rest - 60 * nominal) // (60 * nominal - drops))
    seconds, frame = divmod(number + dropped, nominal)
    clock = f"{seconds // 3600 % 24:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{clock}{mark}{frame:02d}"
