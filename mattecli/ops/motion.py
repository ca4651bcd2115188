"""Steadying mattes along the motion of what they show.

Mattes that are estimated frame by frame flicker; averaging them over time helps, but trails behind
whatever moves. Here neighbouring mattes are first warped to where the subject is now, by dense
optical flow between the pictures (DIS: Kroeger et al., Fast Optical Flow using Dense Inverse
Search, ECCV 2016), and count only where the warped picture agrees with this one. The window is
symmetric, so there is no lag, and finite, so that a job can be resumed anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from mattecli.ops.pixels import Float32, to_levels
from mattecli.records import Array, Size

__all__ = ["FLOW_RADIUS", "Seen", "steadied"]

FLOW_RADIUS = 2
"""Frames to either side that are looked at."""

_FLOW_SIDE = 384  # long side at which the flow is computed
_COLOUR_REACH = 6.0  # levels by which pictures of one thing may differ
_SPREAD = 0.25  # alpha by which a neighbour may differ before it counts for less
_OWN = 1.0  # weight of a frame's own alpha


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame as an estimator saw it, with what it found.

    Attributes:
        color: h,w,3 of any type.
        alpha: H,W, 0..1.
    """

    color: Array
    alpha: Float32


def steadied(window: Sequence[Seen], centre: int) -> Float32:
    """The alpha of ``window[centre]``, steadied by the others.

    Args:
        window: consecutive frames; alphas of one size.
        centre: which of them.

    Returns:
        H,W, 0..1.
    """
    own = window[centre].alpha
    size = Size.of(own)
    here = _small(window[centre].color, size)
    total = np.full(own.shape, _OWN, np.float32)
    mixed = own * np.float32(_OWN)
    warped = [
        _brought(here, _small(seen.color, size), seen.alpha)
        for number, seen in enumerate(window)
        if number != centre
    ]
    if not warped:
        return own
    middle = _robust_middle(own, warped)
    for alpha, trust in warped:
        # A value far from the common one counts for less: an outlier must not blur the rest.
        weight = trust * _kernel(alpha - middle)
        total += weight
        mixed += weight * alpha
    # The frame's own value counts as far as it agrees with trusted neighbours.
    trusted = np.minimum(sum(trust for _, trust in warped), 1)
    less = (1 - _kernel(own - middle)) * trusted * np.float32(_OWN)
    total -= less
    mixed -= less * own
    result: Float32 = np.clip(mixed / np.maximum(total, np.float32(1e-3)), 0, 1)
    return np.where(total > 1e-3, result, own)


def _kernel(difference: Float32) -> Float32:
    scaled = difference * np.float32(1 / _SPREAD)
    result: Float32 = np.exp(-scaled * scaled)
    return result


def _robust_middle(own: Float32, warped: Sequence[tuple[Float32, Float32]]) -> Float32:
    """The median over time; the frame's own value stands for neighbours that are not trusted."""
    values = [own, *(trust * alpha + (1 - trust) * own for alpha, trust in warped)]
    middle: Float32 = np.median(np.stack(values), axis=0).astype(np.float32)
    return middle


def _brought(here: Array, there: Array, alpha: Float32) -> tuple[Float32, Float32]:
    """A neighbour's alpha warped to this frame, and how far to trust it: H,W, 0..1 each."""
    flow = _flow(here, there)
    height, width = here.shape
    rows, columns = np.indices((height, width), np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    moved = cv2.remap(there, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    apart = cv2.blur(cv2.absdiff(moved, here).astype(np.float32), (3, 3)) / _COLOUR_REACH
    trust = np.exp(-apart * apart)
    trust[(x < 0) | (y < 0) | (x > width - 1) | (y > height - 1)] = 0
    full = Size.of(alpha)
    scale_x, scale_y = full.width / width, full.height / height
    large = cv2.resize(flow, full, interpolation=cv2.INTER_LINEAR)
    grid_y, grid_x = np.indices((full.height, full.width), np.float32)
    brought: Float32 = cv2.remap(  # type: ignore[assignment]  # float32 in, float32 out
        alpha,
        grid_x + large[..., 0] * np.float32(scale_x),
        grid_y + large[..., 1] * np.float32(scale_y),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    sized: Float32 = cv2.resize(trust, full, interpolation=cv2.INTER_LINEAR)
    return brought, sized


def _flow(here: Array, there: Array) -> Float32:
    """H,W,2: how far (x, y) each pixel of ``here`` has moved in ``there``."""
    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    flow: Float32 = dis.calc(here, there, np.zeros((*here.shape, 2), np.float32))  # type: ignore[assignment]  # always float32
    return flow


def _small(color: Array, size: Size) -> Array:
    """Grey levels at the size at which the flow is computed."""
    scale = min(1.0, _FLOW_SIDE / max(size))
    small = Size(max(16, round(size.width * scale)), max(16, round(size.height * scale)))
    levels = to_levels(cv2.resize(color, small, interpolation=cv2.INTER_AREA))
    return cv2.cvtColor(levels, cv2.COLOR_RGB2GRAY)
