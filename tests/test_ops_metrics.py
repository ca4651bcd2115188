"""Error sums against brute-force float64 oracles, and their properties."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mattecli.errors import InputError
from mattecli.ops.connectivity import connected_steps, connectivity_error
from mattecli.ops.metrics import (
    ImagePair,
    Mask,
    absolute_error,
    gradient_error,
    squared_error,
    temporal_error,
)

Array = npt.NDArray[Any]
ErrorSum = Callable[[ImagePair, Mask | None], float]

SUMS: Mapping[str, ErrorSum] = {
    "absolute": absolute_error,
    "squared": squared_error,
    "gradient": gradient_error,
    "slope": lambda pair, region: gradient_error(pair, region, stretch=False),
    "connectivity": connectivity_error,
}


def as_alpha(levels: Array) -> npt.NDArray[np.float64]:
    return levels / np.iinfo(levels.dtype).max


def oracle(name: str, pred: Array, truth: Array, region: Array) -> float:
    p, t = as_alpha(pred), as_alpha(truth)
    if name == "absolute":
        error = abs(p - t)
    elif name == "squared":
        error = (p - t) ** 2
    elif name in ("gradient", "slope"):
        stretch = name == "gradient"
        error = (oracle_slope(p, stretch) - oracle_slope(t, stretch)) ** 2
    else:
        level = oracle_connected(pred, truth)
        error = abs(oracle_phi(p, level) - oracle_phi(t, level))
    return float(error[region != 0].sum())


def oracle_slope(alpha: npt.NDArray[np.float64], stretch: bool) -> npt.NDArray[np.float64]:
    if stretch:
        spread = alpha.max() - alpha.min()
        alpha = (alpha - alpha.min()) / spread if spread else np.zeros_like(alpha)
    sigma = 1.4
    gauss = [math.exp(-(x**2) / (2 * sigma**2)) for x in range(-4, 5)]
    kernel = np.array([[gauss[i] * -(j - 4) * gauss[j] for j in range(9)] for i in range(9)])
    kernel /= math.sqrt((kernel**2).sum())
    height, width = alpha.shape
    padded = np.pad(alpha, 4, mode="edge")
    along_x, along_y = np.zeros_like(alpha), np.zeros_like(alpha)
    for i in range(9):
        for j in range(9):
            shifted = padded[i : i + height, j : j + width]
            along_x += kernel[i, j] * shifted
            along_y += kernel[j, i] * shifted
    return np.hypot(along_x, along_y)


def oracle_connected(pred: Array, truth: Array) -> npt.NDArray[np.float64]:
    white = int(np.iinfo(pred.dtype).max)
    level = np.full(pred.shape, -1.0)
    for step in range(1, 11):
        both = (10 * pred.astype(int) >= white * step) & (10 * truth.astype(int) >= white * step)
        level[(level == -1) & ~oracle_largest(both)] = (step - 1) / 10
    level[level == -1] = 1
    return level


def oracle_largest(mask: Array) -> Array:
    """The largest 4-connected part, by flood fill; the first in row order of equal ones."""
    left = {(int(y), int(x)) for y, x in np.argwhere(mask)}
    largest: set[tuple[int, int]] = set()
    for seed in sorted(left):
        part: set[tuple[int, int]] = set()
        front = [seed]
        while front:
            y, x = front.pop()
            if (y, x) in left:
                left.remove((y, x))
                part.add((y, x))
                front += [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
        if len(part) > len(largest):
            largest = part
    found = np.zeros(mask.shape, bool)
    for y, x in largest:
        found[y, x] = True
    return found


def oracle_phi(
    alpha: npt.NDArray[np.float64], level: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    above = alpha - level
    return 1 - above * (above >= 0.15)


# Sparse levels make components, plateaus and exact tenths likely.
levels8 = st.sampled_from([0, 0, 25, 26, 51, 64, 102, 128, 153, 191, 204, 254, 255, 255])
sides = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12)


@st.composite
def pairs_with_region(draw: st.DrawFn) -> tuple[Array, Array, Mask]:
    shape = draw(sides)
    deep = draw(st.booleans())
    images = [draw(hnp.arrays(np.uint8, shape, elements=levels8)) for _ in range(2)]
    if deep:
        images = [image.astype(np.uint16) * 257 for image in images]
    region = draw(hnp.arrays(np.uint8, shape, elements=st.integers(0, 1)))
    return images[0], images[1], region


@pytest.mark.parametrize("name", SUMS)
@settings(max_examples=60, deadline=None)
@given(case=pairs_with_region())
def test_agrees_with_brute_force(name: str, case: tuple[Array, Array, Mask]) -> None:
    pred, truth, region = case
    ours = SUMS[name](ImagePair.of(pred, truth), region)
    assert ours == pytest.approx(oracle(name, pred, truth, region), rel=2e-5, abs=2e-5)


@pytest.mark.parametrize("name", SUMS)
def test_agrees_with_brute_force_over_several_bands(name: str) -> None:
    generator = np.random.default_rng(5)
    pred, truth = (generator.choice([0, 60, 130, 255], (300, 11)).astype(np.uint8) for _ in "pt")
    region = (generator.random((300, 11)) < 0.5).astype(np.uint8)
    ours = SUMS[name](ImagePair.of(pred, truth), region)
    assert ours == pytest.approx(oracle(name, pred, truth, region), rel=2e-5)


@pytest.mark.parametrize("name", SUMS)
@settings(max_examples=40, deadline=None)
@given(case=pairs_with_region())
def test_no_error_against_itself_and_the_same_with_roles_swapped(
    name: str, case: tuple[Array, Array, Mask]
) -> None:
    pred, truth, region = case
    error = SUMS[name]
    # Filters round differently by a bit where two images lie differently in memory.
    assert error(ImagePair.of(pred, pred.copy()), region) == pytest.approx(0, abs=1e-12)
    there = error(ImagePair.of(pred, truth), region)
    assert there == pytest.approx(error(ImagePair.of(truth, pred), region), rel=1e-6)


@pytest.mark.parametrize("name", SUMS)
@settings(max_examples=40, deadline=None)
@given(case=pairs_with_region())
def test_sums_of_a_region_and_the_rest_add_up(name: str, case: tuple[Array, Array, Mask]) -> None:
    pred, truth, region = case
    pair = ImagePair.of(pred, truth)
    parts = SUMS[name](pair, region) + SUMS[name](pair, 1 - region)
    assert parts == pytest.approx(SUMS[name](pair, None), rel=1e-5, abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(case=pairs_with_region())
def test_bounds(case: tuple[Array, Array, Mask]) -> None:
    pred, truth, region = case
    pair = ImagePair.of(pred, truth)
    absolute, squared = absolute_error(pair, region), squared_error(pair, region)
    count = int(region.sum())
    assert 0 <= squared <= absolute * (1 + 1e-9)
    assert absolute <= count
    assert absolute**2 <= squared * count * (1 + 1e-9)  # Cauchy-Schwarz
    assert 0 <= connectivity_error(pair, region) <= count
    assert gradient_error(pair, region) >= 0


@settings(max_examples=40, deadline=None)
@given(case=pairs_with_region(), shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_nearer_to_the_truth_is_never_worse(
    case: tuple[Array, Array, Mask], shares: tuple[float, float]
) -> None:
    pred, truth = (as_alpha(image).astype(np.float32) for image in case[:2])
    near, far = sorted(shares)
    for error in (absolute_error, squared_error):
        nearer = error(ImagePair.of(truth + near * (pred - truth), truth))
        assert nearer <= error(ImagePair.of(truth + far * (pred - truth), truth)) + 1e-5


@settings(max_examples=40, deadline=None)
@given(case=pairs_with_region())
def test_gradient_of_the_stretched_ignores_brightness_and_contrast(
    case: tuple[Array, Array, Mask],
) -> None:
    pred, truth = (as_alpha(image).astype(np.float32) for image in case[:2])
    plain = gradient_error(ImagePair.of(pred, truth))
    flat = gradient_error(ImagePair.of(0.25 + 0.5 * pred, truth))
    assert flat == pytest.approx(plain, rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("name", SUMS)
@settings(max_examples=30, deadline=None)
@given(case=pairs_with_region())
def test_depth_makes_no_difference(name: str, case: tuple[Array, Array, Mask]) -> None:
    pred, truth = (np.round(as_alpha(image) * 255).astype(np.uint8) for image in case[:2])
    shallow = SUMS[name](ImagePair.of(pred, truth), None)
    deep_truth = truth.astype(np.uint16) * 257
    deep = SUMS[name](ImagePair.of(pred, deep_truth), None)
    assert deep == pytest.approx(shallow, rel=1e-5, abs=1e-6)
    float_truth = as_alpha(truth).astype(np.float32)
    mixed = SUMS[name](ImagePair.of(pred, float_truth), None)
    assert mixed == pytest.approx(shallow, rel=1e-4, abs=1e-4)


def test_sums_of_large_pictures_do_not_overflow() -> None:
    for dtype in (np.uint8, np.uint16):
        black = np.zeros((3000, 4000), dtype)
        pair = ImagePair.of(black, ~black)
        assert absolute_error(pair) == pytest.approx(12e6, rel=1e-12)
        assert squared_error(pair) == pytest.approx(12e6, rel=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    frames=hnp.arrays(np.uint8, (2, 2, 5, 7)),
    region=hnp.arrays(np.uint8, (5, 7), elements=st.integers(0, 1)),
)
def test_temporal_error_is_that_of_the_differences(frames: Array, region: Mask) -> None:
    before, now = (ImagePair.of(*frame) for frame in frames)
    p, t = (as_alpha(frames[1]) - as_alpha(frames[0])).astype(np.float64)
    expected = float(((p - t) ** 2)[region != 0].sum())
    assert temporal_error(now, before, region) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_a_loose_part_is_an_error_only_where_the_two_differ() -> None:
    truth = np.zeros((20, 20), np.uint8)
    truth[2:12, 2:12] = 255
    pred = truth.copy()
    pred[15:17, 15:17] = 255  # four pixels that hang loose in the prediction alone
    assert connectivity_error(ImagePair.of(pred, truth)) == pytest.approx(4)
    assert connectivity_error(ImagePair.of(pred, pred)) == 0


@pytest.mark.parametrize(("level", "steps"), [(50, 1), (51, 2), (152, 5), (153, 6), (255, 10)])
def test_a_level_on_a_tenth_reaches_it(level: int, steps: int) -> None:
    flat = np.full((3, 4), level, np.uint8)
    assert (connected_steps(ImagePair.of(flat, flat)) == steps).all()
    deep = flat.astype(np.uint16) * 257
    assert (connected_steps(ImagePair.of(deep, deep)) == steps).all()


def test_of_equally_large_parts_the_first_in_row_order_is_the_subject() -> None:
    alpha = np.zeros((5, 9), np.uint8)
    alpha[2:4, 0:2] = alpha[1:3, 5:7] = 255
    steps = connected_steps(ImagePair.of(alpha, alpha))
    assert (steps[1:3, 5:7] == 10).all()
    assert steps.sum() == 4 * 10


def test_corners_do_not_connect() -> None:
    alpha = np.zeros((4, 4), np.uint8)
    alpha[0, 0] = alpha[1, 1] = alpha[1, 2] = 255
    assert connected_steps(ImagePair.of(alpha, alpha))[0, 0] == 0


def test_pictures_that_cannot_be_compared() -> None:
    square, wide = np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.uint8)
    with pytest.raises(InputError, match="the prediction is 8x8, the truth 9x8"):
        ImagePair.of(square, wide)
    with pytest.raises(InputError, match="NaN"):
        ImagePair.of(np.full((2, 2), np.nan, np.float32), square[:2, :2])
    with pytest.raises(InputError, match="the one before 9x8"):
        temporal_error(ImagePair.of(square, square), ImagePair.of(wide, wide))
