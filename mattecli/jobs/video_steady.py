"""Alpha steadied over time: each frame by the raw alphas of its neighbours."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace

from mattecli.engine.estimator import Matte
from mattecli.jobs.video_frames import FrameItem
from mattecli.ops.motion import FLOW_RADIUS, Seen, steadied
from mattecli.ops.pixels import Float32
from mattecli.ops.temporal import one_frame_delay
from mattecli.settings.video import Smoothing

__all__ = ["smoothing_radius", "steadied_frames"]


def smoothing_radius(smooth: Smoothing) -> int:
    """Frames to either side that steadying looks at."""
    return {"off": 0, "ofd": 1, "flow": FLOW_RADIUS}[smooth]


def steadied_frames(items: Iterator[FrameItem], smooth: Smoothing) -> Iterator[FrameItem]:
    """The frames that are written, each steadied by the raw alphas of its neighbours."""
    radius = smoothing_radius(smooth)
    window: deque[FrameItem] = deque()
    waiting = 0  # frames at the window's end that have not been passed on
    for item in items:
        window.append(item)
        waiting += 1
        if waiting > radius:
            yield from _passed(window, len(window) - waiting, smooth)
            waiting -= 1
            while len(window) - waiting > radius:
                window.popleft()
    while waiting:
        yield from _passed(window, len(window) - waiting, smooth)
        waiting -= 1


def _passed(window: Sequence[FrameItem], place: int, smooth: Smoothing) -> Iterator[FrameItem]:
    item = window[place]
    if item.is_context:
        return
    raw = item.matte
    if raw is None:
        raise AssertionError("a frame was steadied before it was estimated")
    if smooth == "off":
        yield item
    else:
        yield _with_alpha(item, replace(raw, alpha=_steady_alpha(window, place, smooth)))


def _steady_alpha(window: Sequence[FrameItem], place: int, smooth: Smoothing) -> Float32:
    seen = [
        Seen(item.seen, item.matte.alpha)
        for item in window
        if item.seen is not None and item.matte is not None
    ]
    own = seen[place].alpha
    if len(seen) < 2 or any(other.alpha.shape != own.shape for other in seen):
        return own
    if smooth == "flow":
        return steadied(seen, place)
    if not 0 < place < len(seen) - 1:
        return own
    before, after = seen[place - 1].alpha, seen[place + 1].alpha
    return one_frame_delay(before, own, after)


def _with_alpha(item: FrameItem, matte: Matte) -> FrameItem:
    """The frame with another alpha; the window keeps the raw one."""
    return FrameItem(
        stamp=item.stamp,
        is_context=False,
        color=item.color,
        trimap=item.trimap,
        fill=item.fill,
        matte=matte,
    )
