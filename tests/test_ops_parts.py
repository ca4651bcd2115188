"""Parts and holes of an alpha, against SciPy's labels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import gaussian_filter, generate_binary_structure, label

from mattecli.ops.alpha import fill_holes, keep_parts
from mattecli.ops.amounts import Amount
from mattecli.ops.finishing import AlphaFinish
from mattecli.ops.parts import Parts

Array = npt.NDArray[Any]
EIGHT, FOUR = generate_binary_structure(2, 2), generate_binary_structure(2, 1)
KINDS = (np.uint8, np.uint16, np.float32)

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=2, max_dims=2, max_side=24))
alphas = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=3, max_side=24),
    elements=st.sampled_from([0, 5, 60, 127, 128, 190, 254, 255]),
)


def cast(levels: Array, kind: type) -> Array:
    if kind is np.float32:
        return levels.astype(np.float32) / np.float32(255)
    return levels.astype(kind) * np.asarray(257 if kind is np.uint16 else 1, kind)


def groups(mask: Array, structure: Array) -> list[Array]:
    labels, count = label(mask, structure)
    return [labels == number for number in range(1, count + 1)]


def reaches_border(group: Array) -> bool:
    return bool(group[[0, -1]].any() or group[:, [0, -1]].any())


def rising_from(alpha: Array, hole: Array) -> Array:
    """What rises from a hole pixel by pixel, by a walk over its neighbours."""
    reached = set(zip(*np.nonzero(hole), strict=True))
    waiting = list(reached)
    while waiting:
        y, x = waiting.pop()
        for near in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
            inside = 0 <= near[0] < alpha.shape[0] and 0 <= near[1] < alpha.shape[1]
            if inside and near not in reached and max(127, alpha[y, x]) < alpha[near] < 255:
                reached.add(near)
                waiting.append(near)
    whole = np.zeros(alpha.shape, np.bool_)
    whole[tuple(np.transpose(list(reached)))] = True
    return whole


@settings(max_examples=150, deadline=None)
@given(masks, st.booleans(), st.integers(1, 9))
def test_parts_are_those_of_scipy_whatever_the_strips(
    mask: Array, corners: bool, strip: int
) -> None:
    parts = Parts(lambda rows: mask[rows], len(mask), corners=corners, strip=strip)
    expected = groups(mask, EIGHT if corners else FOUR)
    assert len(parts.areas) == len(parts.at_border) == len(expected) + 1
    assert parts.areas[0] == 0
    found = []
    for number in range(1, len(parts.areas)):
        chosen = np.arange(len(parts.areas)) == number
        shown = np.concatenate([rows for _, rows in parts.where(chosen)])
        found.append(shown)
        assert parts.areas[number] == shown.sum()
        assert parts.at_border[number] == reaches_border(shown)
        assert np.array_equal(parts.holding(parts.where(chosen)), chosen)
    assert {shown.tobytes() for shown in found} == {group.tobytes() for group in expected}


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=80, deadline=None)
@given(alphas, st.integers(0, 12), st.booleans())
def test_parts_that_are_kept(kind: type, levels: Array, area: int, largest: bool) -> None:
    solid = groups(levels > 0.05 * 255, EIGHT)
    stay = [group for group in solid if group.sum() >= area]
    if largest and solid:
        most = max(group.sum() for group in solid)
        stay = [group for group in stay if group.sum() == most]
    found = keep_parts(cast(levels, kind), area, only_largest=largest)
    assert found.dtype == kind
    if largest and len(stay) > 1:  # equals: one of them
        stay = [group for group in stay if found[group].any()]
        assert len(stay) == 1
    kept = np.zeros(levels.shape, np.bool_)
    for group in stay:
        kept |= group
    haze = np.zeros_like(kept)
    for group in groups(levels > 0, EIGHT):
        haze |= group if (group & kept).any() else False
    shown = kept | (haze & (levels <= 0.05 * 255))
    assert np.array_equal(found, np.where(shown, cast(levels, kind), np.zeros((), kind)))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=120, deadline=None)
@given(alphas, st.integers(1, 30))
def test_holes_that_are_filled(kind: type, levels: Array, area: int) -> None:
    alpha = cast(levels, kind)
    white = 1 if kind is np.float32 else np.iinfo(kind).max
    expected = alpha.copy()
    for group in groups(levels < 127.5, FOUR):
        if not reaches_border(group) and group.sum() < area:
            expected[rising_from(levels, group)] = white
    before = alpha.copy()
    found = fill_holes(alpha, area)
    assert found.dtype == kind
    assert np.array_equal(found, expected)
    assert np.array_equal(alpha, before)
    assert np.array_equal(fill_holes(found, area), found), "nothing is left to do"


def test_a_tall_picture_is_as_one_piece() -> None:
    rng = np.random.default_rng(4)
    levels = np.where(rng.random((1300, 9)) < 0.62, 255, 0).astype(np.uint8)
    holes = np.zeros_like(levels)
    for group in groups(levels == 0, FOUR):
        holes[group] = 255 if not reaches_border(group) and group.sum() < 5 else 0
    assert np.array_equal(fill_holes(levels, 5), levels | holes)
    sizes = {group.sum(): group for group in groups(levels > 0, EIGHT)}
    assert max(sizes) > 2 * 512, "it crosses the strips"
    largest = keep_parts(levels, 0, only_largest=True)
    assert np.array_equal(largest > 0, sizes[max(sizes)])


def ring(softness: float) -> Array:
    """A disc with a hole off its middle, both with soft edges."""
    hard = np.zeros((160, 200), np.float32)
    cv2.circle(hard, (100, 80), 60, 1.0, -1)
    cv2.circle(hard, (115, 80), 12, 0.0, -1)
    return np.clip(gaussian_filter(hard, softness), 0, 1).astype(np.float32)


@pytest.mark.parametrize("softness", [0.3, 1.0, 3.0, 5.0])
def test_a_filled_hole_leaves_no_ring_and_the_subject_s_edge_alone(softness: float) -> None:
    alpha = ring(softness)
    filled = fill_holes(alpha, 1000)
    y, x = np.indices(alpha.shape)
    near = np.hypot(y - 80, x - 115) < 12 + 3 * softness
    assert (filled[near] > 0.98).all(), "no trace of the hole"
    edge = np.hypot(y - 80, x - 100) > 54
    plain = gaussian_filter((np.hypot(y - 80, x - 100) < 60.4).astype(float), softness)
    beyond = edge & (alpha < plain + 0.01)
    assert np.array_equal(filled[beyond & (alpha < 0.9)], alpha[beyond & (alpha < 0.9)])
    assert np.array_equal(fill_holes(alpha, 300), alpha), "a larger hole stays"


def test_what_is_open_is_no_hole() -> None:
    alpha = np.full((30, 30), 255, np.uint8)
    alpha[20:, 10:14] = 0  # between an arm and a body that the picture's border cuts
    assert np.array_equal(fill_holes(alpha, 10_000), alpha)
    alpha[5:9, 5:9] = 130  # a veil
    assert np.array_equal(fill_holes(alpha, 10_000), alpha)
    alpha[7, 7] = 100
    filled = fill_holes(alpha, 10_000)
    assert filled[7, 7] == 255
    assert filled[6, 7] == 255, "its rim"
    assert filled[5, 5] == 130, "the veil does not rise"


def test_steps_have_one_order() -> None:
    alpha = np.zeros((60, 60), np.uint8)
    alpha[5:45, 5:45] = 255
    alpha[10:15, 10:15] = 0  # a hole
    alpha[11:13, 11:13] = 255  # a speck in it
    alpha[50:54, 50:54] = 255
    whole = np.zeros_like(alpha)
    whole[5:45, 5:45] = 255
    cleaned = AlphaFinish(min_area=Amount(10), fill_holes=Amount(26)).selected(alpha)
    assert (cleaned[5:45, 5:45] == 255).all(), "the speck went first, and left a hole of 25"
    assert cleaned[51, 51] == 255
    alone = AlphaFinish(only_largest=True, fill_holes=Amount(26)).selected(alpha)
    assert np.array_equal(alone, whole)
    inverted = AlphaFinish(only_largest=True, fill_holes=Amount(26), invert=True).selected(alpha)
    assert np.array_equal(inverted, 255 - whole)
    share = AlphaFinish(only_largest=True, fill_holes=Amount(26 / 3600, is_share=True))
    assert np.array_equal(share.selected(alpha), whole)
    assert not AlphaFinish(min_area=Amount(2000), only_largest=True).selected(alpha).any()
