"""A picture as overlapping blocks: work where it is needed, in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mattecli.records import Size

__all__ = ["Block", "Slices", "blocks"]

Slices = tuple[slice, slice]
"""Rows and columns of a picture."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a picture.

    Attributes:
        inner: the block in the picture; the inner parts of all blocks cover it exactly once.
        outer: the block and its halo in the picture, cut off at the picture's border.
        core: ``inner`` as seen from ``outer``.
    """

    inner: Slices
    outer: Slices
    core: Slices


def blocks(size: Size, side: int, halo: int) -> Iterator[Block]:
    """The blocks of a picture, row by row.

    Args:
        size: the picture's size.
        side: side of a block's inner part in pixels; at the right and lower border less.
        halo: pixels around the inner part.
    """
    for top in range(0, size.height, side):
        rows = _span(top, side, halo, size.height)
        for left in range(0, size.width, side):
            columns = _span(left, side, halo, size.width)
            inner, outer, core = zip(rows, columns, strict=True)
            yield Block(inner, outer, core)


def _span(start: int, side: int, halo: int, length: int) -> tuple[slice, slice, slice]:
    """Inner, outer and core slice along one axis."""
    stop = min(start + side, length)
    first, last = max(start - halo, 0), min(stop + halo, length)
    return slice(start, stop), slice(first, last), slice(start - first, stop - first)
