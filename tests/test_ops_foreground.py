"""Foreground colours against scenes whose two layers are known, and against PyMatting."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter
from scipy.sparse import bmat, coo_matrix, diags
from scipy.sparse.linalg import spsolve

from mattecli.ops import foreground as module
from mattecli.ops import multilevel
from mattecli.ops.foreground import REACH, ForegroundMethod, decontaminated
from mattecli.ops.unmixing import Limits, Mixture
from mattecli.records import Array

Floats = npt.NDArray[np.float32]
METHODS: tuple[ForegroundMethod, ...] = ("multilevel", "blur-fusion")


def hairy_alpha(height: int, width: int, seed: int = 0) -> Floats:
    """A disc with a thousand soft hairs."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((2 * height, 2 * width), np.uint8)
    centre, radius = np.array([width, height]), int(min(height, width) * 0.55)
    cv2.circle(mask, centre.tolist(), radius, 255, -1)
    for angle in rng.uniform(0, 2 * np.pi, 1000):
        way = angle + rng.normal(0, 0.5)
        start = centre + radius * np.array([np.cos(angle), np.sin(angle)])
        end = start + radius * rng.uniform(0.1, 0.5) * np.array([np.cos(way), np.sin(way)])
        level = int(rng.integers(100, 256))
        cv2.line(mask, start.astype(int).tolist(), end.astype(int).tolist(), level, 2, cv2.LINE_AA)
    soft = cv2.GaussianBlur(mask, (0, 0), 1.2)
    shrunk = cv2.resize(soft, (width, height), interpolation=cv2.INTER_AREA)
    return np.rint(shrunk).astype(np.float32) / np.float32(255)


def texture(height: int, width: int, seed: int, tint: tuple[float, float, float]) -> Floats:
    """Something like a surface: a tint, shading at three scales, and grain."""
    rng = np.random.default_rng(seed)
    image = np.tile(np.float32(tint), (height, width, 1))
    for cells, strength in ((5, 0.2), (20, 0.1), (120, 0.05)):
        coarse = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0, 1)


class Scene:
    """A photo of known layers."""

    def __init__(self, height: int, width: int, seed: int = 0) -> None:
        self.alpha = hairy_alpha(height, width, seed)
        self.front = texture(height, width, 2 * seed, (0.6, 0.4, 0.25))
        self.back = texture(height, width, 2 * seed + 1, (0.3, 0.5, 0.75))
        share = self.alpha[..., None]
        self.photo = share * self.front + (1 - share) * self.back
        self.mixed = (self.alpha > 0.01) & (self.alpha < 0.99)

    def levels(self, dtype: type = np.uint8) -> Array:
        white = np.iinfo(dtype).max
        return np.rint(self.photo * white).astype(dtype)

    def error(self, front: Array) -> float:
        """Mean error of foreground colours where they are mixed, by how much they are seen."""
        white = 1 if front.dtype == np.float32 else np.iinfo(front.dtype).max
        wrong = np.abs(front.astype(np.float64) / white - self.front).mean(axis=2)
        return float((wrong * self.alpha)[self.mixed].mean())


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene(500, 600)


@pytest.mark.parametrize(("method", "part"), [("multilevel", 0.15), ("blur-fusion", 0.5)])
def test_the_background_is_taken_out(scene: Scene, method: ForegroundMethod, part: float) -> None:
    before = scene.error(scene.levels())
    assert scene.error(decontaminated(scene.levels(), scene.alpha, method)) < part * before


@pytest.mark.parametrize(("height", "width"), [(1100, 1000), (1900, 1800)])
def test_large_photos_lose_nothing_by_sparse_sampling(height: int, width: int) -> None:
    large = Scene(height, width)
    found = decontaminated(large.levels(), large.alpha)
    assert large.error(found) < 0.15 * large.error(large.levels())


def test_pymatting_does_no_better(scene: Scene) -> None:
    estimate_foreground_ml = pytest.importorskip("pymatting").estimate_foreground_ml
    photo = scene.levels().astype(np.float32) / np.float32(255)
    theirs = estimate_foreground_ml(photo, scene.alpha)
    ours = decontaminated(photo, scene.alpha)
    assert scene.error(ours) < scene.error(theirs)
    seen = np.abs(ours - theirs).mean(axis=2) * scene.alpha
    assert seen[scene.mixed].mean() < 0.03


def test_blur_fusion_is_the_published_formula(scene: Scene) -> None:
    """But for the wide means, which are taken over every fourth pixel."""
    photo, share = scene.photo.astype(np.float64), scene.alpha[..., None].astype(np.float64)
    front, back = photo, photo
    for radius in (90, 6):
        area = (2 * radius + 1, 2 * radius + 1, 1)
        rest = 1 - share
        seen = uniform_filter(share, area, mode="mirror"), uniform_filter(rest, area, mode="mirror")
        front = uniform_filter(front * share, area, mode="mirror") / (seen[0] + 1e-5)
        back = uniform_filter(back * rest, area, mode="mirror") / (seen[1] + 1e-5)
        front = np.clip(front + share * (photo - share * front - rest * back), 0, 1)
    exact = Mixture(scene.photo.transpose(2, 0, 1), scene.alpha).explained(
        np.stack([front, back]).transpose(0, 3, 1, 2).astype(np.float32), Limits(0, 1)
    )
    found = decontaminated(scene.photo, scene.alpha, "blur-fusion")
    wrong = np.abs(found - exact.transpose(1, 2, 0)).mean(axis=2) * scene.alpha
    assert wrong[scene.mixed].mean() < 0.003


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_some_background_explains_the_photo(
    scene: Scene, method: ForegroundMethod, dtype: type
) -> None:
    """What the foreground leaves of a mixed pixel is a colour that a background can have."""
    photo = scene.photo if dtype is np.float32 else scene.levels(dtype)
    white = 1 if dtype is np.float32 else np.iinfo(dtype).max
    found = decontaminated(photo, scene.alpha, method)
    assert found.dtype == photo.dtype
    share = scene.alpha[..., None].astype(np.float64)
    left = photo - share * found
    wrong = np.abs(left - np.clip(left, 0, (1 - share) * white))[scene.mixed].mean() / white
    assert wrong < (0.5 if dtype is np.uint8 else 0.1) / 255


@pytest.mark.parametrize("method", METHODS)
def test_the_subject_is_kept_bit_for_bit(scene: Scene, method: ForegroundMethod) -> None:
    for photo in (scene.levels(), scene.levels(np.uint16), scene.photo):
        found = decontaminated(photo, scene.alpha, method)
        assert np.array_equal(found[scene.alpha == 1], photo[scene.alpha == 1])


@pytest.mark.parametrize("method", METHODS)
def test_hidden_colours_continue_the_subject_and_then_end(method: ForegroundMethod) -> None:
    alpha = np.zeros((200, 300), np.float32)
    alpha[:, :100] = 1
    alpha[:, 100] = 0.5
    share = alpha[..., None]
    mixed = share * np.float32([200, 40, 10]) + (1 - share) * np.float32([10, 220, 30])
    photo = np.rint(mixed).astype(np.uint8)
    found = decontaminated(photo, alpha, method)
    near = found[:, 101 : 101 + REACH].astype(int)
    assert np.abs(near - [200, 40, 10]).max() <= 25
    assert (found[:, 101 + REACH :] == 0).all()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("colour", [(255, 255, 255), (0, 0, 0), (0, 180, 50)])
def test_no_rim_over_any_colour(method: ForegroundMethod, colour: tuple[int, int, int]) -> None:
    """Also when straight colours are scaled down by a program that ignores alpha."""
    front, back = np.float32([190, 60, 40]), np.float32([40, 90, 230])
    disc = np.zeros((256, 256), np.float32)
    cv2.circle(disc, (128, 128), 80, 1.0, -1)
    alpha = np.asarray(cv2.GaussianBlur(disc, (0, 0), 2), np.float32)
    share = alpha[..., None]
    photo = np.rint(share * front + (1 - share) * back).astype(np.uint8)
    found = decontaminated(photo, alpha, method)
    for step in (1, 2, 8):
        size = (256 // step, 256 // step)
        small = cv2.resize(found.astype(np.float32), size, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(alpha, size, interpolation=cv2.INTER_AREA)[..., None]
        shown = cover * small + (1 - cover) * np.float32(colour)
        wanted = cover * front + (1 - cover) * np.float32(colour)
        assert np.abs(shown - wanted).max() < 8


def test_sixteen_bits_stay_sixteen_bits() -> None:
    alpha = np.tile(np.clip(np.linspace(3, -2, 200, dtype=np.float32), 0, 1), (90, 1))
    front, back = np.float64([40123, 9001, 30007]), np.float64([1001, 60101, 22222])
    share = alpha[..., None]
    photo = np.rint(share * front + (1 - share) * back).astype(np.uint16)
    found = decontaminated(photo, alpha)
    soft = (alpha > 0.2) & (alpha < 1)
    assert np.abs(found - front)[soft].mean() < 40  # 257 are one level of 8 bits


@pytest.mark.parametrize("method", METHODS)
def test_scene_values_above_white_are_not_clipped(method: ForegroundMethod) -> None:
    alpha = np.tile(np.clip(np.linspace(1.5, -0.5, 240, dtype=np.float32), 0, 1), (100, 1))
    front, back = np.float32([12, 7, 0.5]), np.float32([0.1, 0.2, 3])
    share = alpha[..., None]
    photo = share * front + (1 - share) * back
    found = decontaminated(photo, alpha, method)
    seen = alpha > 0.3
    assert found.max() <= 12
    assert np.abs(found - front)[seen].mean() < (0.05 if method == "multilevel" else 1)


@pytest.mark.parametrize("method", METHODS)
def test_what_is_no_number_stays_where_it_is(scene: Scene, method: ForegroundMethod) -> None:
    photo, alpha = scene.photo.copy(), scene.alpha.copy()
    photo[5, 5], photo[250, 300], photo[60, 300] = np.nan, np.inf, np.nan
    alpha[7, 7] = np.nan
    found = decontaminated(photo, alpha, method)
    wrong = ~np.isfinite(found).all(axis=2)
    assert set(zip(*np.nonzero(wrong), strict=True)) <= {(250, 300), (60, 300)}


@pytest.mark.parametrize("method", METHODS)
@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seed=st.integers(0, 99),
    kind=st.sampled_from(["noise", "0", "1", "half", "binary"]),
)
def test_any_size_and_alpha_gives_colours_in_range(
    method: ForegroundMethod, shape: tuple[int, int], seed: int, kind: str
) -> None:
    rng = np.random.default_rng(seed)
    photo = rng.random((*shape, 3), np.float32)
    alpha = rng.random(shape, np.float32)
    if kind == "binary":
        alpha = np.rint(alpha)
    elif kind != "noise":
        alpha[:] = {"0": 0, "1": 1, "half": 0.5}[kind]
    found = decontaminated(photo, alpha, method)
    assert np.isfinite(found).all()
    assert found.min() >= 0
    assert found.max() <= 1
    assert np.array_equal(found[alpha == 1], photo[alpha == 1])


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 3), (2, 400_001)])
def test_extreme_shapes(method: ForegroundMethod, shape: tuple[int, int]) -> None:
    photo = np.full((*shape, 3), 77, np.uint8)
    alpha = np.full(shape, 128, np.uint8)
    assert np.abs(decontaminated(photo, alpha, method).astype(int) - 77).max() <= 1


def test_alpha_may_be_levels(scene: Scene) -> None:
    levels = np.rint(scene.alpha * 255).astype(np.uint8)
    for alpha in (levels, levels.astype(np.uint16) * 257):
        found = decontaminated(scene.levels(), alpha)
        from_floats = decontaminated(scene.levels(), scene.alpha)
        assert np.abs(found.astype(int) - from_floats).max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_blocks_leave_no_trace(
    scene: Scene, method: ForegroundMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = decontaminated(scene.levels(), scene.alpha, method)
    monkeypatch.setattr(module, "_SIDE", 10_000)
    monkeypatch.setattr(multilevel, "_SIDE", 10_000)
    whole = decontaminated(scene.levels(), scene.alpha, method)
    assert np.abs(found.astype(int) - whole).max() <= 1
    assert np.mean(found != whole) < 0.001


def test_iterations_lead_to_the_least_cost() -> None:
    """The paper's cost, equation 4, solved directly in double precision."""
    rng = np.random.default_rng(1)
    height, width = 9, 12
    alpha = cv2.GaussianBlur(rng.random((height, width), np.float32), (0, 0), 1)
    color = rng.random((3, height, width), np.float32)
    layers = np.full((2, 3, height, width), 0.5, np.float32)
    unbounded = Limits(-100, 100)
    for _ in range(400):
        layers = multilevel.relaxed(Mixture(color, alpha), layers, unbounded)
    exact = least_cost(color.astype(np.float64), alpha.astype(np.float64))
    assert np.abs(layers - exact).max() < 1e-3


def least_cost(color: npt.NDArray[Any], alpha: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    height, width = alpha.shape
    index = np.arange(height * width).reshape(height, width)
    first = np.concatenate([index[:, :-1].ravel(), index[:-1].ravel()])
    second = np.concatenate([index[:, 1:].ravel(), index[1:].ravel()])
    share = alpha.ravel()
    weight = np.abs(share[first] - share[second]) + 1e-5
    links = coo_matrix((weight, (first, second)), shape=(share.size, share.size))
    links = links + links.T
    laplacian = diags(np.asarray(links.sum(axis=1)).ravel()) - links
    rest = 1 - share
    matrix = bmat(
        [
            [diags(share * share) + laplacian, diags(share * rest)],
            [diags(share * rest), diags(rest * rest) + laplacian],
        ]
    ).tocsc()
    solved = [
        spsolve(matrix, np.concatenate([share * plane.ravel(), rest * plane.ravel()]))
        for plane in color
    ]
    return np.stack(solved).reshape(3, 2, height, width).swapaxes(0, 1)
