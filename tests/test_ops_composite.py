"""Composites against the formula in double precision, and what surrounds them."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mattecli.ops.composite import (
    associated,
    blurred,
    checkerboard,
    composite,
    fit_background,
    join_rgba,
    place,
    premultiplied,
    unpremultiplied,
)
from mattecli.records import Array, Size

DTYPES = (np.uint8, np.uint16, np.float32)


def white(dtype: npt.DTypeLike) -> int:
    return 1 if np.dtype(dtype) == np.float32 else int(np.iinfo(np.dtype(dtype)).max)


def picture(seed: int, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
    values = np.random.default_rng(seed).random(shape, np.float32)
    if np.dtype(dtype) == np.float32:
        return values
    return np.rint(values * np.float32(white(dtype))).astype(dtype)


def exact(image: Array) -> npt.NDArray[np.float64]:
    return image.astype(np.float64) / white(image.dtype)


def tolerance(dtype: npt.DTypeLike) -> float:
    """Half a level, and what single precision may add."""
    return 0.501 if np.dtype(dtype) == np.uint8 else 0.52 if np.dtype(dtype) == np.uint16 else 1e-6


dtypes = st.sampled_from(DTYPES)
shapes = st.tuples(st.integers(1, 90), st.integers(1, 90))


@settings(max_examples=80, deadline=None)
@given(shapes, st.integers(0, 999), dtypes, dtypes, dtypes)
def test_a_composite_is_the_rounded_formula(
    shape: tuple[int, int], seed: int, front: type, cover: type, back: type
) -> None:
    foreground, background = (picture(seed + n, (*shape, 3), d) for n, d in ((0, front), (1, back)))
    alpha = picture(seed + 2, shape, cover)
    before = foreground.copy(), background.copy()
    found = composite(foreground, alpha, background)
    share = exact(alpha)[..., None]
    wanted = share * exact(foreground) + (1 - share) * exact(background)
    assert found.dtype == foreground.dtype
    assert np.abs(found - wanted * white(front)).max() <= tolerance(front)
    assert np.array_equal(foreground, before[0])
    assert np.array_equal(background, before[1])


def test_a_tall_picture_is_blended_in_strips_without_trace() -> None:
    foreground, background = (
        picture(1, (3000, 40, 3), np.uint8),
        picture(2, (3000, 40, 3), np.uint8),
    )
    alpha = picture(3, (3000, 40), np.float32)
    share = exact(alpha)[..., None]
    wanted = share * foreground + (1 - share) * background
    assert np.abs(composite(foreground, alpha, background) - wanted).max() <= 0.501


def linear(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def srgb(light: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


@pytest.mark.parametrize("dtype", DTYPES)
def test_linear_light_is_the_srgb_standard_s(dtype: type) -> None:
    foreground, background = (picture(n, (50, 60, 3), dtype) for n in (4, 5))
    alpha = picture(6, (50, 60), np.float32)
    found = composite(foreground, alpha, background, linear=True)
    share = exact(alpha)[..., None]
    wanted = srgb(share * linear(exact(foreground)) + (1 - share) * linear(exact(background)))
    allowed = {np.uint8: 0.51, np.uint16: 0.6, np.float32: 1e-5}[dtype]
    assert np.abs(found - wanted * white(dtype)).max() <= allowed


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("linear_light", [False, True])
def test_certain_pixels_are_kept_bit_for_bit(dtype: type, linear_light: bool) -> None:
    foreground, background = (picture(n, (256, 256, 3), dtype) for n in (7, 8))
    alpha = np.zeros((256, 256), np.float32)
    alpha[:, 128:] = 1
    found = composite(foreground, alpha, background, linear=linear_light)
    assert np.array_equal(found[:, :128], background[:, :128])
    assert np.array_equal(found[:, 128:], foreground[:, 128:])


def test_values_above_white_are_kept_in_floats() -> None:
    foreground = np.full((4, 4, 3), 6, np.float32)
    found = composite(foreground, np.full((4, 4), 0.5, np.float32), np.zeros_like(foreground))
    assert (found == 3).all()


@settings(max_examples=40, deadline=None)
@given(shapes, st.integers(0, 999), dtypes, dtypes)
def test_multiplied_colours_can_be_divided_again(
    shape: tuple[int, int], seed: int, front: type, cover: type
) -> None:
    foreground, alpha = picture(seed, (*shape, 3), front), picture(seed + 1, shape, cover)
    multiplied = premultiplied(foreground, alpha)
    share = exact(alpha)[..., None]
    wanted = share * exact(foreground) * white(front)
    assert np.abs(multiplied - wanted).max() <= tolerance(front)
    straight = unpremultiplied(multiplied, alpha)
    assert straight.dtype == foreground.dtype
    wrong = np.abs(straight.astype(np.float64) - foreground)
    assert (
        wrong <= np.where(share > 0, tolerance(front) / np.maximum(share, 1e-9) + 1, np.inf)
    ).all()
    assert (straight[exact(alpha) == 0] == 0).all()


def test_rgba_takes_the_depth_of_its_colours() -> None:
    alpha = np.array([[0, 128, 255]], np.uint8)
    for dtype, levels in ((np.uint8, [0, 128, 255]), (np.uint16, [0, 32896, 65535])):
        color = picture(1, (1, 3, 3), dtype)
        joined = join_rgba(color, alpha)
        assert joined.dtype == dtype
        assert np.array_equal(joined[..., :3], color)
        assert joined[0, :, 3].tolist() == levels
    assert join_rgba(picture(1, (1, 3, 3), np.float32), alpha)[0, 2, 3] == 1


@pytest.mark.parametrize("fit", ["cover", "contain", "stretch", "tile"])
@settings(max_examples=40, deadline=None)
@given(have=shapes, want=shapes)
def test_a_fitted_background_has_the_size_and_only_its_own_colours(
    fit: str, have: tuple[int, int], want: tuple[int, int]
) -> None:
    background = np.full((*have, 3), (10, 200, 90), np.uint8)
    fitted = fit_background(background, Size(want[1], want[0]), fit)  # type: ignore[arg-type]  # a parameter
    assert fitted.shape == (*want, 3)
    assert (fitted == (10, 200, 90)).all()


def quarters() -> Array:
    """Four colours: what is left, right, above and below can be told."""
    image = np.zeros((40, 80, 3), np.uint8)
    image[:20, :40], image[:20, 40:] = (255, 0, 0), (0, 255, 0)
    image[20:, :40], image[20:, 40:] = (0, 0, 255), (255, 255, 255)
    return image


def test_cover_cuts_and_contain_shows_all() -> None:
    cover = fit_background(quarters(), Size(100, 100), "cover")
    corners = [cover[y, x].tolist() for y in (2, 97) for x in (2, 97)]
    assert corners == [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]
    wide = quarters().copy()
    wide[:, :3] = 7
    assert not (fit_background(wide, Size(100, 100), "cover") == 7).any()
    contain = fit_background(wide, Size(100, 100), "contain")
    assert np.abs(contain[50, :2].astype(int) - 7).max() <= 1
    assert np.array_equal(contain[0], contain[25])
    assert np.array_equal(contain[99], contain[74])


def test_tile_repeats_from_the_left_upper_corner() -> None:
    tiled = fit_background(quarters(), Size(100, 70), "tile")
    assert np.array_equal(tiled[:40, :80], quarters())
    assert np.array_equal(tiled[40:, 80:], quarters()[:30, :20])


def test_a_thin_strip_covers_a_large_frame_without_becoming_huge() -> None:
    strip = np.full((2, 30_000, 3), 99, np.uint8)
    fitted = fit_background(strip, Size(300, 2000), "cover")
    assert fitted.shape == (2000, 300, 3)
    assert (fitted == 99).all()


def subject(dtype: npt.DTypeLike = np.uint8) -> tuple[Array, Array]:
    """A red square with a soft edge; where it is not, the hidden colour is green."""
    mask = np.zeros((80, 100), np.float32)
    mask[30:50, 40:60] = 1
    alpha = np.asarray(cv2.blur(mask, (5, 5)), np.float32)
    color = np.where(alpha[..., None] > 0, np.float32([0.8, 0.2, 0.1]), np.float32([0, 1, 0]))
    if np.dtype(dtype) == np.float32:
        return color, alpha
    return tuple(np.rint(part * white(dtype)).astype(dtype) for part in (color, alpha))  # type: ignore[return-value]  # two parts


@pytest.mark.parametrize("offset", [(0, 0), (7, -4), (-45, 20), (100, 0), (-300, 900)])
def test_moving_shifts_whole_pixels(offset: tuple[int, int]) -> None:
    color, alpha = picture(1, (80, 100, 3), np.uint8), picture(2, (80, 100), np.uint8)
    placed = place(color, alpha, offset=offset)
    wanted = np.zeros((80, 100, 4), np.uint8)
    for y in range(80):
        for x in range(100):
            v, u = y - offset[1], x - offset[0]
            if 0 <= v < 80 and 0 <= u < 100:
                wanted[y, x] = (*color[v, u], alpha[v, u])
    assert np.array_equal(join_rgba(placed.color, placed.alpha), wanted)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("scale", [0.37, 0.5, 1.6, 3])
def test_scaling_keeps_the_centre_the_area_and_the_colour(dtype: type, scale: float) -> None:
    color, alpha = subject(dtype)
    placed = place(color, alpha, scale=scale)
    assert placed.color.dtype == placed.alpha.dtype == dtype
    assert placed.color.shape == color.shape
    before, after = exact(alpha), exact(placed.alpha)
    assert after.max() <= 1
    assert after.sum() / before.sum() == pytest.approx(scale**2, rel=0.06)
    y, x = np.indices(after.shape)
    assert (after * y).sum() / after.sum() == pytest.approx(39.5, abs=0.75)
    assert (after * x).sum() / after.sum() == pytest.approx(49.5, abs=0.75)
    seen = after > 0.1
    assert np.abs(exact(placed.color)[seen] - [0.8, 0.2, 0.1]).max() < 0.03


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.01, 100),
    st.tuples(st.integers(-150, 150), st.integers(-150, 150)),
)
def test_any_scale_and_offset_fit_the_frame(scale: float, offset: tuple[int, int]) -> None:
    color, alpha = subject()
    placed = place(color, alpha, scale=scale, offset=offset)
    assert placed.color.shape == color.shape
    assert placed.alpha.shape == alpha.shape


def test_enlarging_a_hundredfold_takes_only_what_is_seen() -> None:
    color, alpha = np.full((700, 900, 3), 50, np.uint8), np.full((700, 900), 255, np.uint8)
    placed = place(color, alpha, scale=100)  # the whole would have 6 gigapixels
    assert (placed.color == 50).all()
    assert (placed.alpha == 255).all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_blurred_background_holds_no_ghost(dtype: type) -> None:
    rng = np.random.default_rng(4)
    background = np.float32([0.2, 0.4, 0.6]) + rng.normal(0, 0.02, (200, 300, 3)).astype(np.float32)
    disc = np.zeros((200, 300), np.float32)
    cv2.circle(disc, (150, 100), 70, 1.0, -1)
    alpha = np.asarray(cv2.GaussianBlur(disc, (0, 0), 3), np.float32)
    share = alpha[..., None]
    mixed = share * np.float32([1, 0.9, 0]) + (1 - share) * background
    photo = mixed if dtype is np.float32 else np.rint(mixed * white(dtype)).astype(dtype)
    found = blurred(photo, alpha)
    assert found.dtype == photo.dtype
    assert np.abs(exact(found) - [0.2, 0.4, 0.6]).max() < 0.02


def test_blur_of_a_photo_without_background_is_the_photo_s() -> None:
    photo = np.full((60, 80, 3), (10, 90, 170), np.uint8)
    for level in (0.5, 1.0):
        found = blurred(photo, np.full((60, 80), level, np.float32))
        assert np.abs(found.astype(int) - (10, 90, 170)).max() <= 1


def test_more_sigma_is_more_blur() -> None:
    photo = np.repeat(((np.indices((120, 160)).sum(axis=0) // 10 % 2) * 255)[..., None], 3, axis=2)
    spreads = [
        blurred(photo.astype(np.uint8), np.zeros((120, 160), np.uint8), sigma)[30:-30, 30:-30].std()
        for sigma in (0.5, 3, 12)
    ]
    assert spreads[0] > 2 * spreads[1] > 8 * spreads[2]


def test_a_checkerboard_alternates() -> None:
    board = checkerboard(Size(60, 36))
    assert board.shape == (36, 60, 3)
    levels = board[6::12, 6::12, 0]
    assert set(np.unique(board)) == {204, 255}
    assert (levels[:, 1:] != levels[:, :-1]).all()
    assert (levels[1:] != levels[:-1]).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_associated_pictures_keep_their_alpha_and_type(dtype: type) -> None:
    rgba = picture(3, (40, 30, 4), dtype)
    found = associated(rgba)
    assert found.dtype == rgba.dtype
    assert np.array_equal(found[..., 3], rgba[..., 3])
    wanted = exact(rgba[..., 3:]) * exact(rgba[..., :3]) * white(dtype)
    assert np.abs(found[..., :3] - wanted).max() <= tolerance(dtype)
    bright = np.full((2, 2, 4), 6, np.float32)
    bright[..., 3] = 0.5
    assert (associated(bright)[..., :3] == 3).all()
