"""One-frame delay against a loop over pixels, and its behaviour on sequences."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy

from mattecli.ops.temporal import Mattes, one_frame_delay, one_frame_delays

CLIPS = st_numpy.arrays(
    np.float32,
    st.tuples(st.integers(0, 6), st.just(2), st.just(3)),
    elements=st.floats(0, 1, width=32),
)


def slow_ofd(clip: Mattes, threshold: float) -> Mattes:
    limit, smoothed = np.float32(threshold), clip.copy()
    for t in range(1, len(clip) - 1):
        for y, x in np.ndindex(clip.shape[1:]):
            a, b, c = clip[t - 1 : t + 2, y, x]
            if abs(a - c) <= limit and abs(b - a) > limit and abs(b - c) > limit:
                smoothed[t, y, x] = (a + c) / np.float32(2)
    return smoothed


@given(CLIPS, st.sampled_from([0.1, 0.5]))
def test_a_sequence_matches_a_loop_over_its_pixels(clip: Mattes, threshold: float) -> None:
    smoothed = list(one_frame_delays(clip, threshold))
    assert len(smoothed) == len(clip)
    for found, expected in zip(smoothed, slow_ofd(clip, threshold), strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("before", "current", "after", "expected"),
    [
        (0.0, 1.0, 0.08, 0.04),  # flickers
        (0.0, 1.0, 0.5, 1.0),  # the neighbours disagree: real motion
        (0.0, 0.06, 0.08, 0.06),  # agrees with its neighbours
        (0.5, 0.55, 0.42, 0.55),  # agrees with one of them
    ],
)
def test_which_pixels_change(before: float, current: float, after: float, expected: float) -> None:
    a, b, c = (np.full((1, 1), value, np.float32) for value in (before, current, after))
    assert one_frame_delay(a, b, c).item() == pytest.approx(expected)


def test_neighbours_are_the_raw_mattes() -> None:
    clip = np.array([0, 1, 0, 1, 0], np.float32).reshape(5, 1, 1)
    assert [m.item() for m in one_frame_delays(clip)] == [0, 0, 1, 0, 0]


def test_a_sequence_runs_one_frame_behind() -> None:
    taken = 0

    def frames() -> Iterator[Mattes]:
        nonlocal taken
        for _ in range(5):
            taken += 1
            yield np.zeros((1, 1), np.float32)

    behind = []
    for given_back, _ in enumerate(one_frame_delays(frames()), start=1):
        behind.append(taken - given_back)
    assert behind == [0, 1, 1, 1, 0]
