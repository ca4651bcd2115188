"""Tiles: they cover, their weights sum to one, and they are cut where networks want them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mattecli.errors import UsageError
from mattecli.ops.tiling import (
    FADE,
    TileShape,
    blend,
    cheapest_side,
    cut,
    in_batches,
    tiles,
    touching,
)
from mattecli.records import Size

SIZES = st.builds(Size, st.integers(1, 300), st.integers(1, 200))


@st.composite
def shapes(draw: st.DrawFn) -> TileShape:
    grid = draw(st.sampled_from([1, 4, 32]))
    overlap = draw(st.integers(0, 40))
    extra = draw(st.integers(20 // grid, 200 // grid))
    side = TileShape.least_side(overlap, grid) + grid * extra
    return TileShape(side=side, overlap=overlap, grid=grid)


@given(size=SIZES, shape=shapes())
@settings(max_examples=60, deadline=None)
def test_weights_sum_to_one_everywhere(size: Size, shape: TileShape) -> None:
    total = np.zeros((size.height, size.width), np.float32)
    blend(total, tiles(size, shape), lambda tile: np.ones(tile.shape, np.float32))
    assert np.allclose(total, 1, rtol=0, atol=1e-6)


@given(size=SIZES, shape=shapes())
@settings(max_examples=100, deadline=None)
def test_tiles_lie_on_the_grid_are_equal_and_keep_their_context(
    size: Size, shape: TileShape
) -> None:
    found = tiles(size, shape)
    for spans, length in (
        ({tile.rows for tile in found}, size.height),
        ({tile.columns for tile in found}, size.width),
    ):
        for span in spans:
            assert span.start % shape.grid == 0
            assert span.start <= span.rise[0] <= span.rise[1] <= span.fall[0] <= span.fall[1]
            full = min(shape.side, length)
            is_last = span.stop == length
            assert span.length == full or (is_last and full - span.length < shape.grid)
            context = shape.overlap - min(FADE // 2, shape.overlap)
            assert span.start == 0 or span.rise[0] - span.start >= context
            assert is_last or span.stop - span.fall[1] >= context


@given(size=SIZES, shape=shapes(), seed=st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_every_unknown_pixel_is_computed_once_and_no_tile_for_nothing(
    size: Size, shape: TileShape, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    trimap = np.zeros((size.height, size.width), np.uint8)
    for _ in range(3):
        y, x = rng.integers(size.height), rng.integers(size.width)
        trimap[y : y + 9, x : x + 9] = 128
    chosen = touching(tiles(size, shape), trimap, 128)
    total = blend(
        np.zeros(trimap.shape, np.float32), chosen, lambda tile: np.ones(tile.shape, np.float32)
    )
    assert np.allclose(total[trimap == 128], 1, rtol=0, atol=1e-6)
    assert all((trimap[tile.seen] == 128).any() for tile in chosen)


@given(size=SIZES, shape=shapes(), channels=st.sampled_from([0, 3]))
@settings(max_examples=40, deadline=None)
def test_cutting_and_blending_gives_the_picture_back(
    size: Size, shape: TileShape, channels: int
) -> None:
    rng = np.random.default_rng(1)
    image = rng.random((size.height, size.width, channels)[: 3 if channels else 2], np.float32)
    padded = Size(*(-(-side // shape.grid) * shape.grid for side in size))
    found = tiles(padded, shape)
    assert len({tile.shape for tile in found}) == 1
    total = blend(np.zeros_like(image), found, lambda tile: cut(image, tile))
    assert np.allclose(total, image, rtol=0, atol=1e-6)


def test_a_tile_beyond_the_border_shows_the_picture_mirrored() -> None:
    image = np.random.default_rng(2).integers(0, 256, (70, 90, 3), np.uint8)
    whole = cv2.copyMakeBorder(image, 0, 26, 0, 6, cv2.BORDER_REFLECT_101)
    for tile in tiles(Size(96, 96), TileShape(side=64, overlap=8, grid=32)):
        assert np.array_equal(cut(image, tile), whole[tile.outer])


def test_a_local_filter_leaves_no_trace_of_the_tiles() -> None:
    """A filter whose reach is within the context: tiled is whole, to the rounding of weights."""
    image = np.random.default_rng(3).random((230, 310), np.float32)
    whole = cv2.blur(image, (15, 15))
    found = tiles(Size.of(image), TileShape(side=96, overlap=24))
    total = blend(np.zeros_like(image), found, lambda tile: cv2.blur(cut(image, tile), (15, 15)))
    inner = np.s_[8:-8, 8:-8]  # a blur mirrors at the border of what it is given
    assert np.abs(total - whole)[inner].max() < 1e-6


def test_batches_hold_equal_tiles_and_lose_none() -> None:
    found = tiles(Size(200, 170), TileShape(side=64, overlap=8, grid=32))
    batches = list(in_batches(found, 4))
    assert all(len({tile.shape for tile in batch}) == 1 for batch in batches)
    assert all(1 <= len(batch) <= 4 for batch in batches)
    flat = [tile for batch in batches for tile in batch]
    assert len(flat) == len(found)
    assert set(flat) == set(found)


def test_shapes_without_room_are_refused_with_the_least_side() -> None:
    with pytest.raises(UsageError, match="no room") as refused:
        TileShape(side=448, overlap=224, grid=32)
    least = TileShape.least_side(224, 32)
    assert f"--tile {least}" in refused.value.remedy
    assert TileShape(side=least, overlap=224, grid=32).step == 32
    for side, overlap in ((100, 0), (64, -1)):
        with pytest.raises(UsageError, match="no sense"):
            TileShape(side=side, overlap=overlap, grid=32)


def test_the_cheapest_side_follows_the_region() -> None:
    """Against a count of all sides, tile by tile."""
    trimap = np.zeros((700, 900), np.uint8)
    cv2.circle(trimap, (450, 350), 280, 128, 24)

    def pixels(side: int) -> int:
        chosen = touching(
            tiles(Size.of(trimap), TileShape(side=side, overlap=32, grid=32)), trimap, 128
        )
        return sum(tile.rows.length * tile.columns.length for tile in chosen)

    found = cheapest_side(trimap, 128, overlap=32, grid=32, most=896)
    assert found % 32 == 0
    best = min(pixels(side) for side in range(96, 897, 32))
    assert pixels(found) <= best * 1.2
    assert cheapest_side(trimap, 128, overlap=32, grid=32, most=128) <= 128
    assert cheapest_side(trimap, 128, overlap=32, grid=32, most=10) == 96
