"""Sizes: what a network sees of a photo."""

from __future__ import annotations

from typing import NamedTuple

from mattecli.models.spec import ModelSpec
from mattecli.ops.geometry import rounded_up
from mattecli.records import Size

__all__ = ["NetworkSize", "network_size", "scaled_size", "sufficient_side"]

_LONGEST = 4
"""A photo longer than four times its short side is scaled down further, to bound the memory."""


class NetworkSize(NamedTuple):
    """How a photo meets a network: scaled to one size, then padded to another."""

    scaled: Size
    padded: Size


def sufficient_side(spec: ModelSpec, short_side: int | None = None) -> int | None:
    """The short side to which a photo may be decoded down; None: every pixel counts.

    Args:
        spec: the model's row.
        short_side: what the network sees, in place of the model's own.
    """
    if spec.size_rule == "full" or "segmentation" in spec.needs:
        return None
    return short_side or spec.size


def network_size(photo: Size, spec: ModelSpec, short_side: int | None = None) -> NetworkSize:
    """The size at which a network sees a photo.

    Args:
        photo: size of the photo.
        spec: the model's row, with its size rule.
        short_side: in place of the model's own; ignored by the rule ``full``.
    """
    if spec.size_rule == "full":
        return NetworkSize(photo, Size(*(_up(side, spec) for side in photo)))
    target = short_side or spec.size
    if spec.size_rule == "fixed":
        side = _near(target, spec.multiple, _floor(spec))
        return NetworkSize(Size(side, side), Size(side, side))
    size = scaled_size(photo, target, spec.multiple, _floor(spec))
    return NetworkSize(size, size)


def scaled_size(photo: Size, short_side: int, multiple: int, least: int = 0) -> Size:
    """A photo's size scaled to a short side; the long side of narrow photos is bounded.

    Args:
        photo: size of the photo.
        short_side: pixels.
        multiple: both sides of the result are multiples of it.
        least: the smallest side, itself a multiple; 0: one multiple.
    """
    scale = min(short_side / min(photo), short_side * _LONGEST / max(photo))
    return Size(*(_near(side * scale, multiple, least or multiple) for side in photo))


def _near(side: float, multiple: int, least: int) -> int:
    """The nearest allowed length: the picture is stretched by half a multiple at most."""
    return max(round(side / multiple) * multiple, least)


def _up(side: int, spec: ModelSpec) -> int:
    return max(rounded_up(side, spec.multiple), _floor(spec))


def _floor(spec: ModelSpec) -> int:
    return rounded_up(spec.minimum, spec.multiple)
