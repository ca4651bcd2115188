"""A large picture as overlapping tiles of equal size, whose results are blended without a seam.

Along each axis tiles begin at multiples of a grid (that of a network's poolings), so that poolings
fall on the same pixels as in the whole picture. Neighbours share a strip of at least twice the
overlap: in its middle one tile fades into the other over ``FADE`` pixels; the rest, up to a tile's
border, is context, which a network needs but whose result is not used. At the picture's own border
a tile ends as the picture does; where a network needs longer sides than the picture has, the
picture is mirrored.

The weights of all tiles sum to one at every pixel, so leaving out tiles in which nothing is wanted
changes nothing elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import cv2
import numpy as np

from mattecli.errors import UsageError
from mattecli.ops.blocks import Slices
from mattecli.ops.geometry import rounded_up
from mattecli.ops.pixels import Float32
from mattecli.records import Array, Size

__all__ = [
    "FADE",
    "Span",
    "Tile",
    "TileShape",
    "add_blended",
    "blend",
    "cheapest_side",
    "cut",
    "in_batches",
    "tiles",
    "touching",
]

FADE = 32
"""Pixels over which one tile gives way to the next, where the overlap has room for that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TileShape:
    """How a picture is cut.

    Attributes:
        side: side of a tile in pixels, overlaps included; a multiple of ``grid``.
        overlap: pixels at each side of a tile that its neighbours compute too; half a fade of
            them is blended, the rest is context.
        grid: tiles begin at multiples of this.

    Raises:
        UsageError: nothing would be left between the overlaps.
    """

    side: int
    overlap: int
    grid: int = 1

    def __post_init__(self) -> None:
        if self.overlap < 0 or self.grid < 1 or self.side % self.grid:
            raise UsageError(
                f"tiles of {self.side} pixels with an overlap of {self.overlap} make no sense",
                remedy=f"give a multiple of {self.grid}, and no negative overlap",
            )
        if self.step < 1:
            raise UsageError(
                f"tiles of {self.side} pixels have no room for an overlap of {self.overlap}",
                remedy=f"use --tile {self.least_side(self.overlap, self.grid)} or more,"
                " or a smaller --overlap",
            )

    @property
    def step(self) -> int:
        """Pixels from one tile to the next, at most."""
        return (self.side - 2 * self.overlap) // self.grid * self.grid

    @staticmethod
    def least_side(overlap: int, grid: int = 1) -> int:
        """The smallest side that has room for an overlap."""
        return rounded_up(2 * overlap, grid) + grid


@dataclass(frozen=True, slots=True)
class Span:
    """A tile along one axis, in pixels of the picture.

    Attributes:
        start, stop: all of it, context included.
        rise: where its weight grows from 0 to 1; at the picture's border both are ``start``.
        fall: where its weight goes back to 0; at the picture's border both are ``stop``.
    """

    start: int
    stop: int
    rise: tuple[int, int]
    fall: tuple[int, int]

    @property
    def length(self) -> int:
        """Pixels, context included."""
        return self.stop - self.start

    @property
    def seen(self) -> slice:
        """Where its weight is above 0."""
        return slice(self.rise[0], self.fall[1])

    def weights(self) -> Float32:
        """The weight of each pixel of ``seen``, 0..1; with the neighbours' they sum to one."""
        middles = np.arange(self.rise[0], self.fall[1], dtype=np.float32) + np.float32(0.5)
        weights: Float32 = _ramp(middles, self.rise) - _ramp(middles, self.fall)
        return weights


def _ramp(places: Float32, between: tuple[int, int]) -> Float32:
    """0 before ``between``, 1 after it, and a straight line within."""
    low, high = between
    ramp: Float32 = ((places - low) / np.float32(max(high - low, 1))).clip(0, 1)
    return ramp if high > low else (places > low).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: its rows and its columns."""

    rows: Span
    columns: Span

    @property
    def outer(self) -> Slices:
        """Where it lies in the picture, context included."""
        return (
            slice(self.rows.start, self.rows.stop),
            slice(self.columns.start, self.columns.stop),
        )

    @property
    def seen(self) -> Slices:
        """The part of the picture in which its result counts."""
        return self.rows.seen, self.columns.seen

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width, context included."""
        return self.rows.length, self.columns.length

    def weights(self) -> Float32:
        """Weights of the pixels of ``seen``, h,w."""
        weights: Float32 = np.outer(self.rows.weights(), self.columns.weights())
        return weights


def tiles(size: Size, shape: TileShape) -> list[Tile]:
    """The tiles of a picture, row by row.

    All have the same size, except that the last ones are shorter if a side of the picture is no
    multiple of the grid; a picture that fits into one tile is one tile.

    Args:
        size: the picture's, including the padding that a network needs.
        shape: of the tiles.
    """
    rows, columns = _spans(size.height, shape), _spans(size.width, shape)
    return [Tile(across, along) for across in rows for along in columns]


def _spans(length: int, shape: TileShape) -> list[Span]:
    rest = rounded_up(max(length - shape.side, 0), shape.grid)
    gaps = -(-rest // shape.step)
    starts = [number * rest // max(gaps, 1) // shape.grid * shape.grid for number in range(gaps)]
    starts.append(rest)
    nearest = min((after - before for before, after in pairwise(starts)), default=length)
    half = max(min(FADE // 2, shape.overlap, (nearest - 1) // 2), 0)
    middles = [(before + shape.side + after) // 2 for before, after in pairwise(starts)]
    fades = [(0, 0), *((middle - half, middle + half) for middle in middles), (length, length)]
    stops = [min(start + shape.side, length) for start in starts]
    return [
        Span(start, stop, rise, fall)
        for start, stop, (rise, fall) in zip(starts, stops, pairwise(fades), strict=True)
    ]


def touching(candidates: Sequence[Tile], levels: Array, value: int) -> list[Tile]:
    """The tiles whose results count at some pixel of a certain value.

    Args:
        candidates: tiles of a picture.
        levels: H,W, such as a trimap.
        value: what is looked for, such as 128.
    """
    return [tile for tile in candidates if (levels[tile.seen] == value).any()]


def cut(image: Array, tile: Tile) -> Array:
    """The pixels of a tile, h,w or h,w,C; the picture is mirrored where the tile goes beyond."""
    part = image[tile.outer]
    below, right = (want - have for want, have in zip(tile.shape, part.shape, strict=False))
    if not below and not right:
        return part
    return cv2.copyMakeBorder(part, 0, below, 0, right, cv2.BORDER_REFLECT_101)


def in_batches(chosen: Sequence[Tile], count: int) -> Iterator[list[Tile]]:
    """Tiles in their order, those of equal shape in groups of ``count`` at most."""
    by_shape = sorted(chosen, key=lambda tile: tile.shape, reverse=True)
    for _, equal in groupby(by_shape, key=lambda tile: tile.shape):
        group = list(equal)
        for first in range(0, len(group), count):
            yield group[first : first + count]


def add_blended(total: Float32, tile: Tile, patch: Float32) -> None:
    """Add a tile's result, weighted, to where it belongs.

    Args:
        total: H,W or H,W,C; changed in place. What the tile has beyond it is left out.
        tile: where.
        patch: the tile's result, h,w or h,w,C, context included.
    """
    rows, columns = tile.seen
    target = total[rows, columns]
    height, width = target.shape[:2]
    top, left = rows.start - tile.rows.start, columns.start - tile.columns.start
    weights = tile.weights()[:height, :width]
    seen = patch[top : top + height, left : left + width]
    target += seen * (weights if patch.ndim == 2 else weights[..., None])


def blend(total: Float32, chosen: Sequence[Tile], solve: Callable[[Tile], Float32]) -> Float32:
    """Compute tiles one by one and blend them into ``total``, which is returned.

    Args:
        total: H,W or H,W,C, zeros.
        chosen: the tiles to compute.
        solve: the result of a tile, h,w or h,w,C, context included.
    """
    for tile in chosen:
        add_blended(total, tile, solve(tile))
    return total


def cheapest_side(levels: Array, value: int, *, overlap: int, grid: int = 1, most: int) -> int:
    """The side with which the tiles that touch a region hold the fewest pixels in all.

    Large tiles overlap less in all; small ones follow a thin region more closely.

    Args:
        levels: H,W, such as a trimap.
        value: the region's, such as 128.
        overlap: as in `TileShape`.
        grid: likewise.
        most: the longest side that memory allows.

    Returns:
        A multiple of ``grid``; the least possible side if ``most`` is below that.
    """
    least = TileShape.least_side(overlap, grid)
    coarse = _marked(levels, value)
    best, best_cost = least, float("inf")
    side = max(least, most // grid * grid)
    while side >= least:
        shape = TileShape(side=side, overlap=overlap, grid=grid)
        cost = sum(tile.rows.length * tile.columns.length for tile in _hit(levels, coarse, shape))
        if cost < best_cost:
            best, best_cost = side, cost
        side = min(side - grid, side * 4 // 5 // grid * grid)
    return best


_CELL = 32  # sides are compared on a picture reduced by this factor


def _marked(levels: Array, value: int) -> Array:
    """Where cells of the picture hold the value: bool, rows and columns rounded up."""
    height, width = levels.shape
    marked = np.zeros((-(-height // _CELL), -(-width // _CELL)), np.bool_)
    edges = np.arange(0, width, _CELL)
    for row in range(marked.shape[0]):
        band = levels[row * _CELL : (row + 1) * _CELL] == value
        marked[row] = np.logical_or.reduceat(band.any(axis=0), edges)
    return marked


def _hit(levels: Array, coarse: Array, shape: TileShape) -> Iterator[Tile]:
    for tile in tiles(Size.of(levels), shape):
        rows, columns = (slice(s.start // _CELL, -(-s.stop // _CELL)) for s in tile.seen)
        if coarse[rows, columns].any():
            yield tile
