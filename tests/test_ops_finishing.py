"""Finishing of an alpha, and screens' light."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mattecli.errors import InputError, UsageError
from mattecli.ops.amounts import Amount, parse_percent
from mattecli.ops.despill import Screen, despilled, find_screen
from mattecli.ops.finishing import AlphaFinish, box_with_margin
from mattecli.ops.segmentation import Box

Array = npt.NDArray[Any]
KINDS = [np.uint8, np.uint16, np.float32]


def disc(kind: type[Any] = np.float32, side: int = 120, radius: float = 30) -> Array:
    """A soft-edged disc in the middle of a square."""
    y, x = np.mgrid[:side, :side] - side // 2
    alpha = np.clip((radius - np.hypot(x, y)) / 4 + 0.5, 0, 1)
    if kind is np.float32:
        return alpha.astype(np.float32)
    return np.rint(alpha * np.iinfo(kind).max).astype(kind)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_asked_for_changes_nothing(kind: type[Any]) -> None:
    alpha = disc(kind)
    finish = AlphaFinish()
    assert finish.shaped(finish.selected(alpha)) is alpha


@pytest.mark.parametrize("kind", KINDS)
def test_each_step_keeps_the_type(kind: type[Any]) -> None:
    alpha = disc(kind)
    white = 1 if kind is np.float32 else np.iinfo(kind).max
    hard = AlphaFinish(threshold=0.5).shaped(alpha)
    assert hard.dtype == alpha.dtype
    assert set(np.unique(hard)) == {0, white}
    assert np.array_equal(AlphaFinish(invert=True).selected(alpha), white - alpha)
    thin = AlphaFinish(choke=3).shaped(alpha)
    fat = AlphaFinish(choke=-3).shaped(alpha)
    soft = AlphaFinish(feather=3).shaped(alpha)
    assert thin.dtype == fat.dtype == soft.dtype == alpha.dtype
    assert float(thin.sum()) < float(alpha.sum()) < float(fat.sum())
    assert (thin <= alpha).all()
    assert (fat >= alpha).all()
    assert abs(float(soft.sum()) / float(alpha.sum()) - 1) < 0.01


def test_an_edge_moves_by_the_pixels_that_were_given() -> None:
    alpha = disc()
    for pixels in (-5.0, -1.5, 2.0, 4.0):
        area = float(AlphaFinish(choke=pixels).shaped(alpha).sum())
        assert abs(np.sqrt(area / np.pi) - (30 - pixels)) < 0.6


def test_specks_go_before_anything_else() -> None:
    alpha = disc()
    alpha[3:6, 3:6] = 0.9
    kept = AlphaFinish(min_area=Amount(20)).selected(alpha)
    assert (kept[:10, :10] == 0).all()
    assert np.array_equal(kept[20:, 20:], alpha[20:, 20:])
    share = AlphaFinish(min_area=Amount(20 / alpha.size, is_share=True))
    assert np.array_equal(share.selected(alpha), kept)
    assert AlphaFinish(min_area=Amount(9 / alpha.size, is_share=True)).selected(alpha)[4, 4] > 0.8
    inverted = AlphaFinish(min_area=Amount(20), invert=True).selected(alpha)
    np.testing.assert_allclose(inverted, 1 - kept)


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": 0.0},
        {"threshold": 1.01},
        {"threshold": float("nan")},
        {"choke": 5000.0},
        {"choke": float("nan")},
        {"feather": -1.0},
        {"feather": float("inf")},
    ],
)
def test_impossible_numbers_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        AlphaFinish(**wrong)


def margin(text: str) -> Amount:
    return Amount.parsed(text, "--margin")


def test_a_margin_is_pixels_or_a_share_of_the_subject() -> None:
    alpha = np.zeros((100, 200), np.float32)
    alpha[40:60, 50:150] = 1
    assert box_with_margin(alpha, margin("0")) == Box(40, 50, 20, 100)
    assert box_with_margin(alpha, margin("7")) == Box(33, 43, 34, 114)
    assert box_with_margin(alpha, margin("7px")) == Box(33, 43, 34, 114)
    assert box_with_margin(alpha, margin("10%")) == Box(30, 40, 40, 120)
    assert box_with_margin(alpha, margin("100%")) == Box(0, 0, 100, 200)
    assert box_with_margin(alpha, margin("1e9")) == Box(0, 0, 100, 200)
    with pytest.raises(InputError):
        box_with_margin(np.zeros((5, 5), np.float32), margin("3"))


@pytest.mark.parametrize("text", ["", "%", "px", "-1", "ten", "nan", "inf", "5 em", "3px%"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="give 20, or 5%"):
        margin(text)
    with pytest.raises(UsageError, match=r"--band .* is no percentage; give 5, or 5%"):
        parse_percent(text, "--band")


def test_units_may_be_written() -> None:
    assert margin("20") == margin("20px") == margin("20 PX") == Amount(20)
    assert margin("0.5%") == margin("0.5 %") == Amount(0.005, is_share=True)
    assert (Amount(3).of(1000), Amount(0.25, is_share=True).of(1000)) == (3, 250)
    assert parse_percent("3", "--band") == parse_percent("3%", "--band") == 3


@given(st.integers(0, 300), st.integers(0, 99), st.integers(0, 99))
def test_a_box_never_leaves_the_picture(room: int, row: int, column: int) -> None:
    alpha = np.zeros((100, 100), np.uint8)
    alpha[row, column] = 255
    box = box_with_margin(alpha, Amount(room))
    assert 0 <= box.top <= row < box.top + box.height <= 100
    assert 0 <= box.left <= column < box.left + box.width <= 100


def screen_photo(screen: Screen, kind: type[Any] = np.float32) -> tuple[Array, Array, Array]:
    """A grey-brown disc lit by a screen at its edge: photo, alpha, and the clean colours."""
    alpha = disc()
    clean = np.full((120, 120, 3), (0.6, 0.45, 0.35), np.float32)
    light = np.zeros(3, np.float32)
    light[1 if screen == "green" else 2] = 0.25
    y, x = np.mgrid[:120, :120] - 60
    near = np.clip((np.hypot(x, y) - 26) / 4, 0, 1).astype(np.float32)
    lit = clean + near[..., None] * light
    behind = np.array((0.1, 0.75, 0.2) if screen == "green" else (0.1, 0.2, 0.8), np.float32)
    photo = alpha[..., None] * lit + (1 - alpha[..., None]) * behind
    if kind is np.float32:
        return photo, alpha, lit
    white = np.iinfo(kind).max
    return (*(np.rint(p * white).astype(kind) for p in (photo, alpha, lit)),)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("screen", ["green", "blue"])
def test_a_screen_is_found_and_its_light_taken_off(screen: Screen, kind: type[Any]) -> None:
    photo, alpha, lit = screen_photo(screen, kind)
    assert find_screen(photo, alpha) == screen
    found = despilled(lit, alpha, screen)
    white = 1 if kind is np.float32 else np.iinfo(kind).max
    edge = (alpha > 0.05 * white) & (alpha < 0.4 * white)
    channel = 1 if screen == "green" else 2
    others = [c for c in range(3) if c != channel]
    assert found.dtype == lit.dtype
    assert np.array_equal(found[..., others], lit[..., others])
    limit = lit[edge][:, others].astype(float).mean(axis=1)
    assert (found[edge][:, channel] <= limit + 0.02 * white).all()
    assert np.array_equal(found[58:62, 58:62], lit[58:62, 58:62]), "the inside changed"


def test_strength_is_how_much_is_taken_off() -> None:
    _, alpha, lit = screen_photo("green")
    full = lit[..., 1] - despilled(lit, alpha, "green", 1)[..., 1]
    half = lit[..., 1] - despilled(lit, alpha, "green", 0.5)[..., 1]
    assert full.max() > 0.1
    np.testing.assert_allclose(half, full / 2, atol=1e-6)
    assert np.array_equal(despilled(lit, alpha, "green", 0), lit)


def test_what_is_no_screen_is_none() -> None:
    alpha = disc()
    rng = np.random.default_rng(2)
    for behind in ((0.5, 0.5, 0.5), (0.53, 0.81, 0.92), (0.35, 0.45, 0.25), (0.9, 0.2, 0.2)):
        photo = np.full((120, 120, 3), behind, np.float32)
        assert find_screen(photo, alpha) is None
    half = np.full((120, 120, 3), (0.1, 0.8, 0.2), np.float32)
    half[:, 60:] = rng.random((120, 60, 3))
    assert find_screen(half, alpha) is None
    assert find_screen(half, np.ones((120, 120), np.float32)) is None
