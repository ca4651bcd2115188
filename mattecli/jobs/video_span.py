"""Which part of a clip is wanted: ``--start`` and ``--end``."""

from __future__ import annotations

import math
import re
from fractions import Fraction

from mattecli.errors import UsageError, VideoReadError
from mattecli.jobs.video_sources import Footage
from mattecli.media.video.records import Span
from mattecli.settings.video import ClipOptions

__all__ = ["check_span", "parse_span", "parse_time"]

_FRAME = re.compile(r"(\d+)f")
_CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)")


def parse_time(text: str, name: str) -> int | Fraction:
    """A frame's number (int) or seconds (Fraction).

    Raises:
        UsageError: it is neither.
    """
    frame = _FRAME.fullmatch(text.strip())
    if frame is not None:
        return int(frame[1])
    clock = _CLOCK.fullmatch(text.strip())
    if clock is None:
        raise UsageError(
            f"{name} {text!r} is no time", remedy="try 12.5, 1:02:03.5, or 120f for a frame"
        )
    hours, minutes, seconds = clock.groups()
    return Fraction(seconds) + 60 * int(minutes or 0) + 3600 * int(hours or 0)


def check_span(options: ClipOptions) -> None:
    """The times by themselves, without a clip.

    Raises:
        UsageError: they make no sense.
    """
    given = (("--start", options.start), ("--end", options.end))
    times = [parse_time(text, name) for name, text in given if text is not None]
    if len(times) == 2 and isinstance(times[0], int) == isinstance(times[1], int):
        _require_order(*times)


def _require_order(start: int | Fraction, end: int | Fraction) -> None:
    if end <= start:
        raise UsageError("--end lies before --start", remedy="give a later one")


def parse_span(options: ClipOptions, footage: Footage) -> Span:
    """The wanted part in the clip's own ticks.

    Raises:
        UsageError: the times make no sense.
        VideoReadError: the clip is over before it begins.
    """
    start = _ticks(options.start, "--start", footage)
    end = _ticks(options.end, "--end", footage)
    if options.start is not None and start is None:
        raise VideoReadError(
            f"it ends before --start {options.start}", path=footage.path, remedy="begin earlier"
        )
    if start is not None and end is not None:
        _require_order(start, end)
    return Span(start, end)


def _ticks(text: str | None, name: str, footage: Footage) -> int | None:
    if text is None:
        return None
    wanted = parse_time(text, name)
    if isinstance(wanted, int):
        return footage.pts_of(wanted)
    info = footage.info
    return math.ceil((wanted + info.origin) / info.time_base)
