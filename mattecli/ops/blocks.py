"""A picture as overlapping blocks: work where it is needed, in little memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mattecli.records import Size

__all__ = ["STRIP", "Block", "Slices", "blocks", "strips"]

STRIP = 512
"""Rows of a strip whose caller does not care."""

Slices = tuple[slice, slice]
"""Rows and columns of a picture."""


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a picture.

    Attributes:
        inner: the block in the picture.
        outer: the block and its halo in the picture, cut off at the picture's border.
        core: where ``inner`` lies within ``outer``.
    """

    inner: Slices
    outer: Slices
    core: Slices

    @classmethod
    def around(cls, inner: Slices, halo: int, size: Size) -> Block:
        """The block at ``inner`` with ``halo`` pixels around it in a picture of ``size``."""
        rows = _grown(inner[0], halo, size.height)
        columns = _grown(inner[1], halo, size.width)
        core = _shifted(inner[0], -rows.start), _shifted(inner[1], -columns.start)
        return cls(inner, (rows, columns), core)


def blocks(size: Size, side: int, halo: int) -> Iterator[Block]:
    """The blocks of a picture, row by row; their inner parts cover it exactly once.

    Args:
        size: the picture's size.
        side: side of a block's inner part, pixels; less at the right and bottom border.
        halo: pixels around the inner part.
    """
    for top in range(0, size.height, side):
        rows = slice(top, min(top + side, size.height))
        for left in range(0, size.width, side):
            columns = slice(left, min(left + side, size.width))
            yield Block.around((rows, columns), halo, size)


def strips(height: int, rows: int = STRIP) -> Iterator[slice]:
    """The rows of a picture, so many at a time."""
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def _grown(span: slice, halo: int, length: int) -> slice:
    return slice(max(span.start - halo, 0), min(span.stop + halo, length))


def _shifted(span: slice, distance: int) -> slice:
    return slice(span.start + distance, span.stop + distance)
