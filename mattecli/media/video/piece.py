"""Completed pieces of a video, as a work folder's journal tells of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, get_args

from mattecli.ops.despill import Screen

__all__ = ["Piece", "piece_of"]

_NAME = re.compile(r"(?:[0-9]{9}\.[a-z0-9]{1,5})?", re.ASCII)
_WHOLE = ("first", "frames", "start", "end")
_MOST_CONTEXT = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A completed piece.

    Attributes:
        name: its file in the folder; "" where frames are files of their own.
        first: index of its first frame.
        frames: how many.
        start, end: timestamps of the first and the last frame, in ticks of the source.
        context: of its last frames, which the next piece has to see again: the timestamp, and that
            of the first frame of the shot.
        screen: the screen behind its last frame whose light is taken off.
    """

    name: str
    first: int
    frames: int
    start: int
    end: int
    context: tuple[tuple[int, int], ...] = ()
    screen: Screen | None = None


def piece_of(entry: Any) -> Piece | None:
    """The piece that a line of a journal describes; None if no run of ours can have written it.

    Names are checked, so that none can be a path, an option, or a line in another file.
    """
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        return None
    numbers = [entry.get(key) for key in _WHOLE]
    context = entry.get("context", [])
    sound = (
        _NAME.fullmatch(entry["name"]) is not None
        and all(type(number) is int for number in numbers)
        and entry["first"] >= 0
        and entry["frames"] > 0
        and isinstance(context, list)
        and len(context) <= _MOST_CONTEXT
        and all(_is_pair(pair) for pair in context)
        and entry.get("screen") in (None, *get_args(Screen))
    )
    if not sound:
        return None
    first, frames, start, end = (int(entry[key]) for key in _WHOLE)
    pairs = tuple((pts, shot) for pts, shot in context)
    return Piece(
        name=entry["name"],
        first=first,
        frames=frames,
        start=start,
        end=end,
        context=pairs,
        screen=entry.get("screen"),
    )


def _is_pair(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and all(type(one) is int for one in pair)
