"""Changes to a finished alpha."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mattecli.errors import InputError
from mattecli.ops.alpha import (
    bounding_box,
    choked,
    feathered,
    inverted,
    keep_known,
    keep_parts,
    thresholded,
)
from mattecli.ops.segmentation import Box, crop, extent
from mattecli.records import Array, Size

DTYPES = (np.uint8, np.uint16, np.float32)


def cast(levels: npt.NDArray[np.uint8], dtype: type) -> Array:
    if dtype is np.float32:
        return levels.astype(np.float32) / np.float32(255)
    return levels.astype(dtype) * np.asarray(257 if dtype is np.uint16 else 1, dtype)


def subject() -> npt.NDArray[np.uint8]:
    """A soft disc with a hole, a stray dot and a faint smear."""
    alpha = np.zeros((90, 120), np.uint8)
    cv2.circle(alpha, (50, 45), 30, 255, -1)
    cv2.circle(alpha, (50, 45), 5, 0, -1)
    alpha = np.asarray(cv2.blur(alpha, (9, 9)), np.uint8)
    alpha[70:73, 100:103] = 200
    alpha[69, 100:103] = 9
    alpha[5, 90:110] = 6
    return alpha


alphas = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20))


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_threshold_makes_a_mask(dtype: type) -> None:
    alpha = cast(np.arange(256, dtype=np.uint8).reshape(16, 16), dtype)
    full = cast(np.uint8([[255]]), dtype)[0, 0]
    mask = thresholded(alpha, 0.5)
    assert mask.dtype == dtype
    assert set(np.unique(mask)) == {0, full}
    assert np.count_nonzero(mask) == 128  # levels 128 and up
    assert np.count_nonzero(thresholded(alpha, 0.9)) == 255 - 230 + 1


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=30, deadline=None)
@given(levels=alphas)
def test_inverting_twice_is_nothing(dtype: type, levels: npt.NDArray[np.uint8]) -> None:
    alpha = cast(levels, dtype)
    once = inverted(alpha)
    assert once.dtype == dtype
    assert np.allclose(once, cast(255 - levels, dtype), atol=1e-6)
    assert np.allclose(inverted(once), alpha, atol=1e-6)


def test_known_pixels_are_honoured() -> None:
    rng = np.random.default_rng(0)
    alpha = rng.random((1100, 7), np.float32) * 1.2 - 0.1  # as an interpolation leaves it
    trimap = rng.choice(np.uint8([0, 128, 255]), alpha.shape)
    before = alpha.copy()
    kept = keep_known(alpha, trimap)
    assert kept is alpha
    assert (kept[trimap == 0] == 0).all()
    assert (kept[trimap == 255] == 1).all()
    assert np.array_equal(kept[trimap == 128], before[trimap == 128].clip(0, 1))


@pytest.mark.parametrize("dtype", DTYPES)
def test_specks_go_and_soft_edges_stay(dtype: type) -> None:
    levels = subject()
    alpha = cast(levels, dtype)
    wanted = levels.copy()
    wanted[69:73, 100:103] = 0  # with its faint rim
    wanted[5, 90:110] = 0
    found = keep_parts(alpha, 10)
    assert found.dtype == dtype
    assert np.array_equal(found, cast(wanted, dtype))
    assert np.array_equal(keep_parts(alpha, 9)[69:73, 100:103], alpha[69:73, 100:103])
    assert not keep_parts(alpha, 100_000).any()


def test_parts_that_touch_at_a_corner_are_one() -> None:
    alpha = np.zeros((8, 8), np.uint8)
    alpha[2, 2] = alpha[3, 3] = alpha[4, 4] = 255
    assert np.array_equal(keep_parts(alpha, 3), alpha)
    assert not keep_parts(alpha, 4).any()


def test_a_speck_in_the_haze_goes_alone() -> None:
    alpha = np.full((60, 60), 5, np.uint8)
    alpha[10:40, 10:40] = 255
    alpha[50, 50] = 90
    found = keep_parts(alpha, 20)
    assert found[50, 50] == 0
    alpha[50, 50] = 0
    assert np.array_equal(found, alpha)


@settings(max_examples=60, deadline=None)
@given(alphas, st.integers(0, 9))
def test_a_box_holds_all_that_shows_and_nothing_to_spare(
    alpha: npt.NDArray[np.uint8], margin: int
) -> None:
    shown = alpha > 12
    if not shown.any():
        with pytest.raises(InputError):
            bounding_box(alpha)
        return
    tight = bounding_box(alpha)
    inside = crop(shown, tight)
    assert inside.sum() == shown.sum()
    assert inside[0].any()
    assert inside[-1].any()
    assert inside[:, 0].any()
    assert inside[:, -1].any()
    wide = tight.grown(margin, Size.of(alpha))
    assert wide.top == max(tight.top - margin, 0)
    assert wide.left == max(tight.left - margin, 0)
    assert wide.top + wide.height == min(tight.top + tight.height + margin, alpha.shape[0])
    assert wide.left + wide.width == min(tight.left + tight.width + margin, alpha.shape[1])


def test_the_box_ignores_haze() -> None:
    alpha = subject().astype(np.float32) / 255
    assert extent(alpha) == Box(5, 16, 75, 94)
    assert bounding_box(alpha).top == 12


@pytest.mark.parametrize("dtype", DTYPES)
def test_choking_moves_the_edge(dtype: type) -> None:
    ramp = np.zeros((60, 120), np.uint8)
    ramp[:, 60:] = 255
    alpha = cast(ramp, dtype)
    full = cast(np.uint8([[255]]), dtype)[0, 0]
    for pixels, wanted in ((3, 57), (1, 59), (-4, 64), (0.5, 59.5), (-2.25, 62.25), (0, 60)):
        moved = choked(alpha, pixels)
        assert moved.dtype == dtype
        width = moved[30].sum(dtype=np.float64) / full
        assert width == pytest.approx(wanted, abs=0.01)


def test_choking_is_round() -> None:
    alpha = np.zeros((61, 61), np.uint8)
    alpha[30, 30] = 255
    grown = choked(alpha, -10) == 255
    y, x = np.indices(alpha.shape)
    assert np.array_equal(grown, (y - 30) ** 2 + (x - 30) ** 2 <= 100)


@pytest.mark.parametrize("dtype", DTYPES)
def test_feathering_softens_in_place(dtype: type) -> None:
    ramp = np.zeros((60, 120), np.uint8)
    ramp[:, 60:] = 255
    alpha = cast(ramp, dtype)
    soft = feathered(alpha, 4)
    assert soft.dtype == dtype
    row = soft[30].astype(np.float64) / soft.max()
    assert row[59] + row[60] == pytest.approx(1, abs=0.02)
    assert (np.diff(row) >= -1e-6).all()
    assert row[60 - 4] == pytest.approx(0.19, abs=0.03)  # a standard deviation and a half pixel
    assert np.array_equal(feathered(alpha, 0), alpha)
