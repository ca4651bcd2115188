"""Rough subject masks: box, crop and paste, preparation, largest region."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mattecli.errors import InputError
from mattecli.ops.segmentation import (
    Box,
    crop,
    extent,
    largest_component,
    resized,
    rough_mask,
    subject_box,
    uncrop,
)
from mattecli.records import Array, Size


def rectangle(size: Size, box: Box) -> Array:
    mask = np.zeros((size.height, size.width), np.uint8)
    crop(mask, box)[...] = 255
    return mask


@st.composite
def subjects(draw: st.DrawFn) -> tuple[Size, Box]:
    size = Size(draw(st.integers(1, 60)), draw(st.integers(1, 60)))
    top, left = draw(st.integers(0, size.height - 1)), draw(st.integers(0, size.width - 1))
    height = draw(st.integers(1, size.height - top))
    return size, Box(top, left, height, draw(st.integers(1, size.width - left)))


@given(subjects())
def test_the_extent_of_a_rectangle_is_the_rectangle(subject: tuple[Size, Box]) -> None:
    assert extent(rectangle(*subject)) == subject[1]


@given(subjects())
def test_the_box_holds_the_subject_inside_the_picture(subject: tuple[Size, Box]) -> None:
    size, inner = subject
    box = subject_box(rectangle(size, inner))
    assert 0 <= box.top <= inner.top
    assert 0 <= box.left <= inner.left
    assert inner.top + inner.height <= box.top + box.height <= size.height
    assert inner.left + inner.width <= box.left + box.width <= size.width
    side = round(max(inner.height, inner.width) * (1 + 2 * 0.1))
    assert (box.height, box.width) == (min(side, size.height), min(side, size.width))


def test_the_box_is_centred_where_there_is_room() -> None:
    assert subject_box(rectangle(Size(200, 100), Box(40, 90, 20, 10))) == Box(38, 83, 24, 24)


def test_faint_specks_are_no_subject() -> None:
    mask = rectangle(Size(200, 100), Box(40, 90, 20, 10))
    mask[0, 0] = mask[-1, -1] = 100
    assert subject_box(mask) == Box(38, 83, 24, 24)


@pytest.mark.parametrize("value", [0, 100])
def test_an_empty_mask_is_refused(value: int) -> None:
    with pytest.raises(InputError, match="no subject"):
        subject_box(np.full((4, 4), value, np.uint8))


def test_a_patch_is_pasted_where_it_was_cut() -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    box = Box(3, 5, 10, 12)
    whole = uncrop(crop(image, box), box, Size(30, 20))
    assert np.array_equal(crop(whole, box), crop(image, box))
    crop(whole, box)[...] = 0
    assert not whole.any()


def test_shrinking_averages_and_enlarging_interpolates() -> None:
    stripes = np.tile(np.array([0, 100], np.uint8), (8, 8))
    assert (resized(stripes, Size(4, 2)) == 50).all()
    enlarged = resized(stripes[:, :2], Size(8, 16))
    assert (np.diff(enlarged[0].astype(int)) >= 0).all()


def test_a_rough_mask_is_soft_and_stays_about_in_place() -> None:
    sharp = np.zeros((512, 512), np.uint8)
    cv2.circle(sharp, (250, 240), 120, 255, -1)
    rough = rough_mask(sharp)
    assert rough.dtype == np.float32
    assert 0 <= rough.min() < rough.max() <= 1
    distance = cv2.distanceTransform(sharp, cv2.DIST_L2, 5) - cv2.distanceTransform(
        255 - sharp, cv2.DIST_L2, 5
    )
    assert (rough[distance > 20] > 0.95).all()
    assert (rough[distance < -20] < 0.05).all()
    assert 0.2 < rough[np.abs(distance) < 2].mean() < 0.8


def test_what_is_thin_disappears_and_a_cut_subject_goes_on() -> None:
    mask = np.zeros((512, 512), np.float32)
    mask[300:, 100:300] = 0.8
    mask[:200, 400:410] = 1
    rough = rough_mask(mask)
    assert (rough[:220, 380:] == 0).all()
    assert rough[-1, 200] == pytest.approx(1)
    assert rough[-1, 100] == pytest.approx(rough[420, 100])


def test_the_largest_region_counts_corners_as_touching() -> None:
    alpha = np.zeros((6, 6), np.float32)
    alpha[0, 0] = alpha[1, 1] = alpha[2, 2] = 0.5
    alpha[4:, 5] = 0.9
    alpha[5, 0] = 0.04
    region = largest_component(alpha, above=0.05)
    assert np.array_equal(np.argwhere(region), [(0, 0), (1, 1), (2, 2)])
    assert not largest_component(alpha, above=0.95).any()
