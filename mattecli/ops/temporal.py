"""Steadying a sequence of mattes that were estimated one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

__all__ = ["OFD_THRESHOLD", "one_frame_delay", "one_frame_delays"]

Mattes = npt.NDArray[np.float32]

OFD_THRESHOLD = 0.1


def one_frame_delay(
    before: Mattes, current: Mattes, after: Mattes, threshold: float = OFD_THRESHOLD
) -> Mattes:
    """The current matte without the pixels that flicker for one frame.

    A pixel whose neighbours in time agree with each other and not with it becomes their mean
    (one-frame delay, OFD: Ke et al., arXiv 2011.11961 version 1, section 3.4).

    Args:
        before: the previous frame's matte as it was estimated, H,W, 0..1.
        current: the matte to steady.
        after: the next frame's matte.
        threshold: the largest difference at which two values agree.
    """
    neighbours_agree = np.abs(before - after) <= threshold
    leaves_both = (np.abs(current - before) > threshold) & (np.abs(current - after) > threshold)
    mean = (before + after) / np.float32(2)
    steadied: Mattes = np.where(neighbours_agree & leaves_both, mean, current)
    return steadied


def one_frame_delays(
    mattes: Iterable[Mattes], threshold: float = OFD_THRESHOLD
) -> Iterator[Mattes]:
    """A sequence of mattes, each steadied by its neighbours; the first and the last unchanged.

    Holds three mattes at a time; runs one frame behind its input.
    """
    window: list[Mattes] = []
    for matte in mattes:
        window.append(matte)
        if len(window) == 1:
            yield matte
        elif len(window) == 3:
            yield one_frame_delay(window[0], window[1], window[2], threshold)
            del window[0]
    if len(window) > 1:
        yield window[-1]
