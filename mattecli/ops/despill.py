"""Light that a green or blue screen throws onto the subject.

Estimated foreground colours no longer hold the screen that shines *through* an edge; what is left
is the screen's light *on* the subject, along its edges. As in keyers, where the screen's channel
exceeds the mean of the two others it is brought down to it. Keyers also use the larger of the two
as the limit, or something between; the mean leaves the least error on portraits with such light,
and changes those without it by a fifth (green) to three fifths (blue) of an 8-bit level
(benchmarks/despill.py).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import cv2
import numpy as np

from mattecli.ops.blocks import blocks
from mattecli.ops.pixels import Float32, as_type, to_float
from mattecli.records import Array, Size

__all__ = ["Screen", "despilled", "find_screen"]

Screen: TypeAlias = Literal["green", "blue"]

_CHANNELS: dict[Screen, int] = {"green": 1, "blue": 2}
_SIDE = 512
_REACH = 0.02  # of the short side: how far inside an edge light is taken off
_SAMPLES = 65_536
_CLEAR = 0.02  # alpha up to which a pixel is background
_EXCESS, _SATURATION = 0.15, 0.35  # a screen's channel over the next, absolute and as a share
_SHARE = 0.8  # of the background that must look like that


def find_screen(color: Array, alpha: Array, *, least: float = 0.0) -> Screen | None:
    """The colour of the screen behind a photo's subject; None if the background is no screen.

    Args:
        color: H,W,3 RGB; levels or floats.
        alpha: H,W, levels or floats 0..1.
        least: share of the photo, 0..1, that must be background to be judged.
    """
    step = max(1, int((alpha.size / _SAMPLES) ** 0.5))
    behind = to_float(np.ascontiguousarray(alpha[::step, ::step])) < _CLEAR
    seen = to_float(np.ascontiguousarray(color[::step, ::step]))[behind]
    if len(seen) == 0 or len(seen) < least * behind.size:
        return None
    for screen, channel in _CHANNELS.items():
        own = seen[:, channel]
        excess = own - np.delete(seen, channel, axis=1).max(axis=1)
        keyed = (excess > _EXCESS) & (excess > _SATURATION * own)
        if keyed.mean() > _SHARE:
            return screen
    return None


def despilled(color: Array, alpha: Array, screen: Screen, strength: float = 1.0) -> Array:
    """Foreground colours without the screen's light.

    Args:
        color: estimated foreground colours, H,W,3 RGB; levels or floats.
        alpha: H,W, levels or floats 0..1.
        screen: its colour.
        strength: how much is taken off, 0..1.

    Returns:
        H,W,3 of the type of ``color``.
    """
    channel = _CHANNELS[screen]
    reach = max(2, round(_REACH * min(alpha.shape)))
    clean = color.copy()
    for block in blocks(Size.of(alpha), _SIDE, halo=reach):
        share = _edge_share(to_float(alpha[block.outer]), reach)[block.core]
        if not share.any():
            continue
        piece = to_float(color[block.inner])
        others = [piece[..., index] for index in range(3) if index != channel]
        excess = np.maximum(piece[..., channel] - (others[0] + others[1]) / 2, 0)
        less = piece[..., channel] - strength * share * excess
        clean[block.inner][..., channel] = as_type(less, color.dtype)
    return clean


def _edge_share(alpha: Float32, reach: int) -> Float32:
    """1 along the subject's edges and beyond, falling to 0 at ``reach`` pixels inside."""
    beyond = to_float(cv2.blur(1 - alpha, (2 * reach + 1, 2 * reach + 1)))
    return np.minimum(2 * beyond, 1, out=beyond)
