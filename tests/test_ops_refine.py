"""Refinement of a network's alpha: detail comes back, nothing is made up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mattecli.models.soft_closed_form import solve_band
from mattecli.ops import refine
from mattecli.ops.colour_model import fit_colour_model
from mattecli.ops.enlarging import EnlargedPlanes
from mattecli.ops.metrics import ImagePair, gradient_error
from mattecli.ops.pixels import to_levels
from mattecli.ops.refine import band_trimap, enlarged_alpha, guided_alpha, uncertainty
from mattecli.records import Size

Array = npt.NDArray[Any]
TIMES = 5  # how many times the photo's side is the network's


@dataclass(frozen=True)
class Strands:
    """A furry disc over a textured background.

    Attributes:
        photo: H,W,3 float32.
        alpha: the truth, H,W.
        coarse: what a network makes of it: small and soft.
    """

    photo: Array
    alpha: Array
    coarse: Array


@pytest.fixture(scope="module")
def strands() -> Strands:
    side, rng = 128 * TIMES, np.random.default_rng(4)
    canvas = np.zeros((2 * side, 2 * side), np.uint8)  # drawn at twice the size, then averaged
    cv2.circle(canvas, (side, side), side // 2, 255, -1)
    for _ in range(500):
        angle, length = rng.uniform(0, 2 * np.pi), side * rng.uniform(0.5, 0.85)
        bend = angle + rng.normal(0, 0.15)
        root = np.array([np.cos(angle), np.sin(angle)]) * side * 0.45 + side
        tip = np.array([np.cos(bend), np.sin(bend)]) * length + side
        cv2.line(canvas, root.astype(int).tolist(), tip.astype(int).tolist(), 255, 2)
    alpha = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    front = np.array([0.75, 0.5, 0.2], np.float32) + 0.05 * _smooth(rng, side)
    behind = np.array([0.15, 0.3, 0.45], np.float32) + 0.2 * _smooth(rng, side)
    photo = alpha[..., None] * front + (1 - alpha[..., None]) * behind
    photo += rng.normal(0, 0.006, photo.shape).astype(np.float32)
    small = cv2.resize(alpha, (128, 128), interpolation=cv2.INTER_AREA)
    return Strands(photo.clip(0, 1), alpha, cv2.GaussianBlur(small, (0, 0), 1))


def _smooth(rng: np.random.Generator, side: int) -> Array:
    return cv2.resize(rng.random((6, 6, 3)).astype(np.float32), (side, side)) - 0.5


def errors(found: Array, truth: Array) -> tuple[float, float]:
    """Gradient error, and mean absolute difference."""
    return gradient_error(ImagePair.of(found, truth)), float(np.abs(found - truth).mean())


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_detail_comes_back(strands: Strands, kind: type[Any]) -> None:
    photo = strands.photo if kind is np.float32 else to_levels(strands.photo, kind)
    plain = enlarged_alpha(strands.coarse, Size.of(photo))
    gradient, mad = errors(guided_alpha(photo, strands.coarse), strands.alpha)
    plain_gradient, plain_mad = errors(plain, strands.alpha)
    assert gradient < 0.3 * plain_gradient  # 0.7 is promised
    assert mad < 0.6 * plain_mad


def test_a_network_of_any_softness(strands: Strands) -> None:
    sharp = cv2.resize(strands.alpha, (128, 128), interpolation=cv2.INTER_AREA)
    for sigma in (0.0, 0.6, 1.5, 2.5):
        coarse = cv2.GaussianBlur(sharp, (0, 0), sigma) if sigma else sharp
        plain, _ = errors(enlarged_alpha(coarse, Size.of(strands.photo)), strands.alpha)
        found, _ = errors(guided_alpha(strands.photo, coarse), strands.alpha)
        assert found < 0.6 * plain


def test_made_small_again_it_is_what_the_network_said(strands: Strands) -> None:
    found = guided_alpha(strands.photo, strands.coarse)
    small = cv2.resize(found, (128, 128), interpolation=cv2.INTER_AREA)
    again = cv2.GaussianBlur(small, (0, 0), 1)
    assert np.abs(again - strands.coarse).mean() < 0.005


def test_outside_the_band_nothing_changes(strands: Strands) -> None:
    found = guided_alpha(strands.photo, strands.coarse)
    plain = enlarged_alpha(strands.coarse, Size.of(found))
    weight = cv2.resize(uncertainty(strands.coarse), Size.of(found))
    assert np.array_equal(found[weight == 0], plain[weight == 0])
    assert 0.2 < (weight == 0).mean() < 0.9
    assert (found != plain).mean() > 0.1


def test_where_the_network_is_wrong_no_foreground_is_invented(strands: Strands) -> None:
    faulty = strands.coarse.copy()
    cv2.circle(faulty, (12, 12), 8, 0.6, -1)  # a ghost
    cv2.circle(faulty, (64, 64), 8, 0.4, -1)  # a hole
    cv2.rectangle(faulty, (100, 40), (127, 90), 0.0, -1)  # strands that were not seen
    faulty = cv2.GaussianBlur(faulty, (0, 0), 1.5)
    plain = enlarged_alpha(faulty, Size.of(strands.photo))
    found = guided_alpha(strands.photo, faulty)
    for part in (np.s_[:110, :110], np.s_[270:370, 270:370], np.s_[200:450, 500:]):
        before = np.abs(plain[part] - strands.alpha[part]).mean()
        after = np.abs(found[part] - strands.alpha[part]).mean()
        assert after < 1.02 * before
    assert errors(found, strands.alpha)[0] < 0.6 * errors(plain, strands.alpha)[0]


@pytest.mark.parametrize("ramp", [130, 260])
def test_a_veil_gets_no_noise(ramp: int) -> None:
    """A wide smooth alpha, as of smoke or a border out of focus, in a noisy photo."""
    side, rng = 1200, np.random.default_rng(2)
    y, x = np.mgrid[:side, :side]
    away = np.hypot(x - side / 2, y - side / 2)
    truth = np.clip((340 - away) / ramp + 0.5, 0, 1).astype(np.float32)
    colors = [np.array(levels, np.float32) for levels in ((200, 90, 60), (60, 120, 160))]
    clean = truth[..., None] * colors[0] + (1 - truth[..., None]) * colors[1]
    photo = np.rint(clean + rng.normal(0, 5, clean.shape)).clip(0, 255).astype(np.uint8)
    small = cv2.resize(truth, (300, 300), interpolation=cv2.INTER_AREA)
    coarse = cv2.GaussianBlur(small, (0, 0), 1.4)
    unknown = (truth > 0) & (truth < 1)
    plain = np.abs(enlarged_alpha(coarse, Size.of(photo)) - truth)[unknown].mean()
    assert np.abs(guided_alpha(photo, coarse) - truth)[unknown].mean() < 1.1 * plain


def test_colour_that_says_nothing_changes_nothing(strands: Strands) -> None:
    rng = np.random.default_rng(8)
    plain = enlarged_alpha(strands.coarse, Size.of(strands.photo))
    noise = cv2.resize(rng.random((256, 256, 3)).astype(np.float32), Size.of(strands.photo))
    assert np.abs(guided_alpha(noise, strands.coarse) - plain).mean() < 0.01
    grey = np.full_like(strands.photo, 0.5)
    assert np.abs(guided_alpha(grey, strands.coarse) - plain).max() < 0.02


def test_blocks_leave_no_trace(strands: Strands, monkeypatch: pytest.MonkeyPatch) -> None:
    found = guided_alpha(strands.photo, strands.coarse)
    monkeypatch.setattr(refine, "_SIDE", 10_000)
    assert np.abs(found - guided_alpha(strands.photo, strands.coarse)).max() < 1e-5


def test_numbers_that_are_none_stay_out(strands: Strands) -> None:
    photo = strands.photo.copy()
    photo[300, 300], photo[10, 10], photo[500, 320] = np.nan, np.inf, -np.inf
    found = guided_alpha(photo, strands.coarse)
    assert np.isfinite(found).all()
    assert np.abs(found - guided_alpha(strands.photo, strands.coarse)).mean() < 0.002


@settings(deadline=None, max_examples=40)
@given(
    full=st.tuples(st.integers(1, 90), st.integers(1, 90)),
    small=st.tuples(st.integers(1, 12), st.integers(1, 12)),
    seed=st.integers(0, 50),
)
def test_any_size_gives_an_alpha(full: tuple[int, int], small: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    photo = rng.integers(0, 256, (*full, 3), dtype=np.uint8)
    coarse = rng.random(small, np.float32)
    found = guided_alpha(photo, coarse)
    assert found.shape == full
    assert found.min() >= 0
    assert found.max() <= 1
    assert band_trimap(coarse, Size(full[1], full[0])).shape == full


@settings(deadline=None, max_examples=40)
@given(
    full=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    small=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    at=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_planes_are_enlarged_as_opencv_does_it(
    full: tuple[int, int], small: tuple[int, int], at: tuple[float, float]
) -> None:
    planes = np.random.default_rng(1).random((2, *small), np.float32)
    enlarged = EnlargedPlanes(planes, Size(full[1], full[0]))
    part = tuple(slice(int(a * (n - 1)), n) for a, n in zip(at, full, strict=True))
    found = enlarged.at(part)
    for plane, piece in zip(planes, found, strict=True):
        whole = cv2.resize(plane, (full[1], full[0]), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_allclose(piece, whole[part], atol=1e-5)


def test_the_model_is_the_ridge_regression_of_each_window() -> None:
    rng = np.random.default_rng(3)
    color = rng.random((3, 21, 23), np.float32)
    alpha = (0.6 * color[0] - 0.3 * color[2] + 0.2 + rng.normal(0, 0.05, (21, 23))).astype(
        np.float32
    )
    model = fit_colour_model(color, alpha, 3)
    for y, x in ((10, 10), (4, 17), (12, 6)):
        window = np.s_[y - 3 : y + 4, x - 3 : x + 4]
        samples = color[:, *window].reshape(3, -1).T.astype(np.float64)
        values = alpha[window].ravel().astype(np.float64)
        centred = samples - samples.mean(axis=0)
        system = centred.T @ centred / 49 + 1e-5 * np.eye(3)
        gain = np.linalg.solve(system, centred.T @ (values - values.mean()) / 49)
        np.testing.assert_allclose(model.gain[:, y, x], gain, atol=2e-4)
        offset = values.mean() - gain @ samples.mean(axis=0)
        assert abs(model.offset[y, x] - offset) < 2e-4
        assert abs(model.variance[y, x] - values.var()) < 1e-5


def test_closed_form_keeps_to_its_prior_and_its_tiles_agree(
    strands: Strands, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = np.s_[60:220, 200:420]
    prior = guided_alpha(strands.photo, strands.coarse)[part]
    trimap = band_trimap(strands.coarse, Size.of(strands.photo))[part]
    found = solve_band(strands.photo[part], prior, trimap)
    assert np.array_equal(found[trimap != 128], prior[trimap != 128])
    assert (found != prior).any()
    plain = enlarged_alpha(strands.coarse, Size.of(strands.photo))[part]
    assert errors(found, strands.alpha[part])[0] < 0.5 * errors(plain, strands.alpha[part])[0]
    from mattecli.models import soft_closed_form

    monkeypatch.setattr(soft_closed_form, "_SIDE", 80)
    tiled = solve_band(strands.photo[part], prior, trimap)
    assert np.abs(tiled - found).mean() < 1e-3
    assert np.abs(tiled - found).max() < 0.03


def test_sixteen_bits_keep_their_steps() -> None:
    """A slow ramp of colour and of alpha has thousands of levels, not 256."""
    ramp = np.linspace(0.2, 0.8, 2000, dtype=np.float32)
    photo = to_levels(np.broadcast_to(ramp[None, :, None], (300, 2000, 3)), np.uint16)
    coarse = np.broadcast_to(np.linspace(0, 1, 200, dtype=np.float32), (30, 200)).copy()
    levels = to_levels(guided_alpha(photo, coarse), np.uint16)[150].astype(int)
    assert len(np.unique(levels)) > 1900
    assert np.diff(levels[50:-50]).max() < 150  # an 8-bit step is 257
