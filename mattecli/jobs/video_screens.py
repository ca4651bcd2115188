"""Which green or blue screen stands behind a video's frames, told shot by shot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import cv2

from mattecli.jobs.finishing import screen_note
from mattecli.jobs.video_frames import FrameItem
from mattecli.ops.despill import Screen, find_screen
from mattecli.records import Size

__all__ = ["ScreenWatch"]

_SIDE = 256  # of the picture that is looked at, at most
_LEAST = 0.05  # share of a frame that must be background, or it tells nothing


class ScreenWatch:
    """Marks frames with the screen behind them.

    A screen that is seen stays to the end of its shot, so that no light flickers at an edge. A part
    of a video that is made by itself judges the shot that it begins in by its own frames.

    Args:
        wanted: the screen of all frames; auto: what is found; None: none.

    Attributes:
        notes: a line for each screen that was found behind frames that are written.
    """

    def __init__(self, wanted: Screen | Literal["auto"] | None) -> None:
        self.notes: list[str] = []
        self._wanted = wanted
        self._shot: int | None = None
        self._seen: Screen | None = None

    def watched(self, items: Iterator[FrameItem]) -> Iterator[FrameItem]:
        """The frames in order, marked; their alphas are those found, not yet finished."""
        for item in items:
            screen = self._found(item) if self._wanted == "auto" else self._wanted
            item.stamp = replace(item.stamp, screen=screen)
            yield item

    def _found(self, item: FrameItem) -> Screen | None:
        if item.stamp.shot != self._shot:
            self._shot, self._seen = item.stamp.shot, None
        self._seen = self._seen or item.stamp.screen or _look(item)
        if self._seen is not None and not item.is_context:
            note = screen_note(self._seen)
            self.notes += [note] if note not in self.notes else []
        return self._seen


def _look(item: FrameItem) -> Screen | None:
    """The screen behind one frame, looked at small."""
    if item.matte is None:
        raise AssertionError("a frame was looked at before it was estimated")
    full = Size.of(item.matte.alpha)
    share = min(1.0, _SIDE / max(full))
    small = Size(max(1, round(full.width * share)), max(1, round(full.height * share)))
    alpha = cv2.resize(item.matte.alpha, small, interpolation=cv2.INTER_NEAREST)
    color = cv2.resize(item.color, small, interpolation=cv2.INTER_NEAREST)
    return find_screen(color, alpha, least=_LEAST)
