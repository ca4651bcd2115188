"""Trimaps against distances computed one by one in whole numbers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mattecli.errors import TrimapError, UsageError
from mattecli.ops.trimap import (
    Kernel,
    TrimapOptions,
    check_trimap,
    make_trimap,
    repair_trimap,
    require_usable,
)
from mattecli.ops.trimap_preview import preview_trimap
from mattecli.records import Size

Levels = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]


def within(mask: Mask, pixels: int) -> Mask:
    """Whether a pixel of the mask lies at most so far away, by squared whole distances."""
    rows, columns = np.nonzero(mask)
    if not len(rows):
        return np.zeros_like(mask)
    y, x = np.indices(mask.shape)
    squared = (y[..., None] - rows) ** 2 + (x[..., None] - columns) ** 2
    near: Mask = squared.min(axis=-1) <= pixels * pixels
    return near


def expected(subject: Mask, solid: Mask, outwards: int, inwards: int) -> Levels:
    trimap = np.full(subject.shape, 128, np.uint8)
    trimap[~within(subject, outwards)] = 0
    trimap[~within(~solid, inwards)] = 255
    return trimap


masks = hnp.arrays(
    np.uint8,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=24),
    elements=st.sampled_from([0, 0, 0, 12, 13, 128, 242, 243, 255, 255]),
)


@settings(max_examples=150, deadline=None)
@given(masks, st.integers(0, 12), st.none() | st.integers(0, 12))
def test_a_disk_is_the_exact_distance(alpha: Levels, dilate: int, erode: int | None) -> None:
    found = make_trimap(alpha, TrimapOptions(dilate=dilate, erode=erode))
    inwards = dilate if erode is None else erode
    assert np.array_equal(found, expected(alpha > 12, alpha >= 243, dilate, inwards))


def thin_parts() -> Levels:
    """A body with a hole, with one-pixel arms that touch the picture's border."""
    alpha = np.zeros((330, 420), np.uint8)
    cv2.circle(alpha, (200, 150), 90, 255, -1)
    cv2.circle(alpha, (220, 160), 25, 0, -1)
    for end in ((0, 10), (419, 0), (300, 329), (60, 329)):
        cv2.line(alpha, (200, 150), end, 255, 1)
    alpha[:, 415:] = 255
    return alpha


@pytest.mark.parametrize("pixels", [1, 5, 10, 25, 70])
def test_blocks_leave_no_trace(pixels: int) -> None:
    alpha = thin_parts()
    element = disk(pixels)
    found = make_trimap(alpha, TrimapOptions(dilate=pixels))
    outer = cv2.dilate(alpha, element)
    inner = cv2.erode(alpha, element)
    assert np.array_equal(found, np.where(inner == 255, 255, np.where(outer == 0, 0, 128)))


def disk(pixels: int) -> Levels:
    y, x = np.ogrid[-pixels : pixels + 1, -pixels : pixels + 1]
    return (x * x + y * y <= pixels * pixels).astype(np.uint8)


@pytest.fixture(params=[1, 2])
def _cv2_threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Photos of a folder are computed on one thread each, a photo alone on all."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(request.param)
    yield
    cv2.setNumThreads(before)


@pytest.mark.usefixtures("_cv2_threads")
@pytest.mark.parametrize("pixels", [5, 25, 65, 325, 505, 725, 1105])
def test_points_at_just_the_radius_are_inside(pixels: int) -> None:
    """Radii that are the longest side of many right triangles with whole sides."""
    alpha = np.zeros((2 * pixels + 5, 2 * pixels + 5), np.uint8)
    alpha[pixels + 2, pixels + 2] = 255
    found = make_trimap(alpha, TrimapOptions(dilate=pixels))
    assert np.array_equal(found[2:-2, 2:-2] == 128, disk(pixels) == 1)
    assert np.count_nonzero(found) == disk(pixels).sum()


@pytest.mark.parametrize(
    ("kernel", "shape"),
    [("ellipse", cv2.MORPH_ELLIPSE), ("rect", cv2.MORPH_RECT), ("cross", cv2.MORPH_CROSS)],
)
def test_morphological_kernels_are_applied_once(kernel: Kernel, shape: int) -> None:
    alpha = thin_parts()
    found = make_trimap(alpha, TrimapOptions(dilate=12, erode=7, kernel=kernel))
    outer = cv2.dilate(alpha, cv2.getStructuringElement(shape, (25, 25)))
    inner = cv2.erode(alpha, cv2.getStructuringElement(shape, (15, 15)))
    assert np.array_equal(found, np.where(inner == 255, 255, np.where(outer == 0, 0, 128)))


@settings(max_examples=50, deadline=None)
@given(masks)
def test_bit_depth_makes_no_difference(alpha: Levels) -> None:
    options = TrimapOptions(dilate=2, erode=1)
    found = make_trimap(alpha, options)
    assert np.array_equal(found, make_trimap(alpha.astype(np.uint16) * 257, options))
    assert np.array_equal(found, make_trimap(alpha.astype(np.float32) / 255, options))


@pytest.mark.parametrize("level", [0, 255])
def test_a_plain_picture_has_no_band(level: int) -> None:
    alpha = np.full((300, 280), level, np.uint8)
    assert np.array_equal(make_trimap(alpha, TrimapOptions()), alpha)


def test_what_is_no_number_is_unknown() -> None:
    alpha = np.zeros((9, 9), np.float32)
    alpha[4, 4] = np.nan
    found = make_trimap(alpha, TrimapOptions(dilate=0))
    assert found[4, 4] == 128
    assert np.count_nonzero(found) == 1


def test_a_band_in_percent_follows_the_subject() -> None:
    for side in (40, 120):
        alpha = np.zeros((200, 200), np.uint8)
        alpha[40 : 40 + side, 40 : 40 + side] = 255
        found = make_trimap(alpha, TrimapOptions(dilate=99, band_percent=10))
        assert np.array_equal(found, make_trimap(alpha, TrimapOptions(dilate=side // 10)))


@pytest.mark.parametrize(
    "wrong",
    [{"dilate": -1}, {"erode": -2}, {"low": 0.9, "high": 0.1}, {"high": 1.5}, {"band_percent": 0}],
)
def test_senseless_options_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        TrimapOptions(**wrong)


def good_trimap() -> Levels:
    trimap = np.full((30, 40), 128, np.uint8)
    trimap[:6], trimap[-3:] = 0, 255
    return trimap


def test_a_good_trimap_passes() -> None:
    check = check_trimap(good_trimap(), Size(40, 30))
    assert check.problems == ()
    assert check.strays == 0
    shares = check.background_share, check.unknown_share, check.foreground_share
    assert shares == pytest.approx((0.2, 0.7, 0.1))
    require_usable(good_trimap(), Size(40, 30), "t.png")
    require_usable(good_trimap().astype(np.uint16) * 257, None, "t.png")


def test_each_fault_is_named_with_its_remedy() -> None:
    trimap = good_trimap()
    trimap[7, :3] = (99, 100, 127)
    faults = {
        "has other values than 0, 128 and 255 (99, 100, 127; pixels: 3)": trimap,
        "no unknown": np.where(good_trimap() == 128, 0, good_trimap()),
        "no foreground": np.minimum(good_trimap(), 128),
        "no background": np.maximum(good_trimap(), 128),
    }
    for words, wrong in faults.items():
        problems = check_trimap(wrong).problems
        assert [words in problem.cause for problem in problems] == [True]
        assert problems[0].remedy
        with pytest.raises(TrimapError) as caught:
            require_usable(wrong, None, "folder/t.png")
        assert str(caught.value).startswith("folder/t.png: the trimap")
        assert problems[0].remedy in str(caught.value)
    assert check_trimap(trimap).strays == 3


def test_another_size_than_the_photo_s_is_named() -> None:
    with pytest.raises(TrimapError, match="the trimap is 40x30, its photo 41x30"):
        require_usable(good_trimap(), Size(41, 30), "t.png")


def test_several_faults_are_all_listed() -> None:
    check = check_trimap(np.full((4, 5), 3, np.uint8), Size(9, 9))
    assert len(check.problems) == 5


def test_repair_takes_the_nearest_level() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    wanted = np.array([0] * 64 + [128] * 128 + [255] * 64, np.uint8).reshape(16, 16)
    assert np.array_equal(repair_trimap(levels), wanted)
    assert np.array_equal(repair_trimap(levels.astype(np.uint16) * 257), wanted)


def test_repair_undoes_jpeg() -> None:
    trimap = make_trimap(thin_parts(), TrimapOptions(dilate=15, erode=15))
    packed = cv2.imencode(".jpg", trimap, [cv2.IMWRITE_JPEG_QUALITY, 75])[1]
    noisy = cv2.imdecode(packed, cv2.IMREAD_GRAYSCALE)
    assert check_trimap(noisy).strays > 100
    repaired = repair_trimap(noisy)
    assert check_trimap(repaired).problems == ()
    assert np.mean(repaired != trimap) < 0.005


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_preview_keeps_the_subject_and_tells_the_regions_apart(dtype: type) -> None:
    rng = np.random.default_rng(3)
    levels = rng.integers(0, 256, (30, 40, 3), np.uint8)
    color = levels if dtype is np.uint8 else levels.astype(np.uint16) * 257
    trimap = good_trimap()
    shown = preview_trimap(color, trimap)
    assert shown.dtype == np.uint8
    assert np.array_equal(shown[trimap == 255], levels[trimap == 255])
    assert np.abs(shown[trimap == 0] - levels[trimap == 0] / 3).max() <= 0.5
    tint = 2 * shown[trimap == 128].astype(int) - levels[trimap == 128]
    assert np.abs(tint - np.array([255, 0, 128])).max() <= 1
    assert np.array_equal(color, levels if dtype is np.uint8 else levels.astype(np.uint16) * 257)
