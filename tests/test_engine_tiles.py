"""Trimap networks in tiles: as the whole picture gives it, in any memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the usual name
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from mattecli.engine.alternatives import SolverEstimator
from mattecli.engine.estimator import Estimator, Matte, Photo
from mattecli.engine.memory import Memory
from mattecli.engine.predict import NetworkEstimator
from mattecli.engine.tiles import TileEstimator, TilePlan
from mattecli.errors import ResourceError, UsageError
from mattecli.models.base import Estimate, MattingModel, ModelInput
from mattecli.models.registry import find_spec, model_class
from mattecli.models.spec import ModelSpec
from mattecli.ops.tiling import TileShape, tiles
from mattecli.ops.trimap import TrimapOptions, make_trimap
from mattecli.records import Size
from mattecli.settings import DeviceOptions
from tests.conftest import PICTURES, load, photo

PARITY = Path(__file__).parent.parent.parent / "shared" / "parity"
FIXTURES = {"dim": "dim_vgg", "dim:segnet": "dim_segnet"}

Float32 = npt.NDArray[np.float32]
Levels = npt.NDArray[np.uint8]


class Calls(list[tuple[int, ...]]):
    """Shapes that a network was given; all copies of it write here."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Calls:
        return self


class Blur(MattingModel):
    """A network of known reach: nine pixels, and as far again after a pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = Calls()

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        return cls()

    def estimate(self, inputs: ModelInput) -> Estimate:
        assert inputs.trimap is not None
        self.calls.append(tuple(inputs.src.shape))
        mean = inputs.src.mean(dim=1, keepdim=True) * (0.5 + inputs.trimap / 2)
        mean = F.avg_pool2d(mean, 19, stride=1, padding=9)
        return Estimate(pha=F.interpolate(F.max_pool2d(mean, 4), scale_factor=4))


BLUR = ModelSpec(
    name="blur",
    title="",
    paper="",
    module="",
    factory="",
    needs=frozenset({"trimap"}),
    multiple=4,
    grid=4,
    reach=12,
    pixel_bytes=40,
)


def scene(width: int, height: int, seed: int = 0) -> tuple[Levels, Levels]:
    """A photo and a trimap with two separate unknown regions."""
    trimap = np.zeros((height, width), np.uint8)
    cv2.ellipse(trimap, (width // 3, height // 2), (width // 6, height // 4), 0, 0, 360, 255, -1)
    cv2.ellipse(trimap, (width // 3, height // 2), (width // 6, height // 4), 0, 0, 360, 128, 9)
    trimap[height // 8 : height // 6, 3 * width // 4 :] = 128
    return photo(width, height, seed), trimap


FREE = Memory()


def blur_estimator(network: Blur, memory: Memory = FREE, **options: Any) -> TileEstimator:
    device = DeviceOptions(device="cpu", **options)
    return TileEstimator(NetworkEstimator(network, BLUR, device), BLUR, device, memory)


def solve(estimator: Estimator, image: Levels, trimap: Levels) -> Matte:
    given = Photo(color=image, full=Size.of(image), trimap=trimap)
    (matte,) = estimator.estimate([estimator.prepare(given)])
    return matte


def test_tiles_of_any_size_and_batch_give_what_the_whole_gives() -> None:
    image, trimap = scene(331, 243)
    whole = solve(blur_estimator(Blur(), tile="off"), image, trimap).alpha
    assert (whole[trimap == 0] == 0).all()
    assert (whole[trimap == 255] == 1).all()
    assert len(np.unique(whole[trimap == 128])) > 100
    for options in ({}, {"tile": "96"}, {"tile": "128", "batch_size": "3"}, {"tile": "101"}):
        network = Blur()
        tiled = solve(blur_estimator(network, **options), image, trimap).alpha
        assert np.abs(tiled - whole).max() < 1 / 65535
        if options:
            assert len(network.calls) > 1
            assert len(set(network.calls)) == 1  # batches of equal tiles


def test_only_tiles_that_touch_the_unknown_region_are_computed() -> None:
    image = photo(640, 640)
    trimap = np.zeros((640, 640), np.uint8)
    trimap[300:310, 300:310], trimap[:8] = 128, 255
    network = Blur()
    alpha = solve(blur_estimator(network, tile="128"), image, trimap).alpha
    assert len(network.calls) <= 4
    assert (alpha[:8] == 1).all()
    network.calls.clear()
    trimap[trimap == 128] = 0
    solve(blur_estimator(network, tile="128"), image, trimap)
    assert network.calls == []


def test_auto_takes_what_costs_least_in_the_memory_there_is() -> None:
    _, trimap = scene(900, 700)
    roomy = blur_estimator(Blur()).plan(trimap)
    assert roomy.shape.overlap >= BLUR.reach
    tight = blur_estimator(Blur(), Memory(1))  # less than is held already
    assert tight.plan(trimap).shape.side < roomy.shape.side
    assert "tile" in tight.describe()


def test_a_plan_halves_the_batch_and_then_the_tile() -> None:
    plan: TilePlan | None = TilePlan(TileShape(side=1024, overlap=228, grid=32), batch=4)
    seen = []
    while plan is not None:
        seen.append((plan.batch, plan.shape.side, plan.shape.overlap))
        plan = plan.smaller()
    assert seen == [
        (4, 1024, 228), (2, 1024, 228), (1, 1024, 228), (1, 512, 170), (1, 256, 85), (1, 128, 42),
    ]  # fmt: skip
    assert TilePlan(TileShape(side=512, overlap=0), fixed=True).smaller() is None


class Cap(TorchDispatchMode):
    """An allocator with little memory: no operator may make a tensor of more than so many bytes."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.numel() * leaf.element_size() > self.most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate too much")
        return result


def test_when_memory_runs_out_smaller_batches_and_tiles_are_tried_and_said() -> None:
    image, trimap = scene(331, 243)
    whole = solve(blur_estimator(Blur(), tile="off"), image, trimap).alpha
    with Cap(3 * 4 * 100 * 100):
        matte = solve(blur_estimator(Blur(), tile="160", batch_size="2"), image, trimap)
    said, tile = "memory did not suffice for", "tiles of 160 pixels"
    assert matte.notes == (
        f"{said} {tile}, 2 at a time; went on with {tile}",
        f"{said} {tile}; went on with tiles of 80 pixels",
    )
    # 80 pixels have room for less overlap than the network's reach.
    assert np.abs(matte.alpha - whole)[trimap == 128].mean() < 2e-3


def test_what_does_not_fit_at_all_is_said_in_one_line() -> None:
    image, trimap = scene(331, 243)
    with Cap(1000), pytest.raises(ResourceError) as refused:
        solve(blur_estimator(Blur(), tile="160"), image, trimap)
    assert "memory does not suffice" in str(refused.value)
    assert "\n" not in str(refused.value)
    with Cap(1000), pytest.raises(ResourceError, match="tiles") as refused:
        solve(blur_estimator(Blur(), tile="off"), image, trimap)
    assert "--tile auto" in refused.value.remedy


def test_other_failures_are_not_taken_for_missing_memory() -> None:
    class Broken(Blur):
        def estimate(self, inputs: ModelInput) -> Estimate:
            raise RuntimeError("shapes do not match")

    image, trimap = scene(120, 90)
    with pytest.raises(RuntimeError, match="shapes"):
        solve(blur_estimator(Broken()), image, trimap)


@pytest.mark.parametrize(
    ("options", "word"),
    [({"tile": "x"}, "no size"), ({"tile": "0"}, "no size"), ({"tile": "32"}, "no room")],
)
def test_tiles_that_make_no_sense_are_refused(options: dict[str, str], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        blur_estimator(Blur(), overlap=28, **options)


def network_of(name: str, weights: str) -> MattingModel:
    spec = find_spec(name)
    if weights == "random":
        with torch.random.fork_rng():
            torch.manual_seed(3)
            return model_class(spec).fresh(spec.variant).eval()
    path = PARITY / f"{FIXTURES[name]}.json"
    if not path.exists():
        pytest.skip("recorded weights are not here")
    import sys

    sys.path.insert(0, str(PARITY))
    from weights_recipe import deterministic_state_dict

    fixture = json.loads(path.read_text())
    state = deterministic_state_dict(fixture["manifest"], fixture["prefix"])
    return model_class(spec).from_state({k: torch.from_numpy(v) for k, v in state.items()}).eval()


@pytest.mark.parametrize("name", ["dim", "dim:segnet"])
def test_the_reach_is_as_measured(name: str) -> None:
    """What is no number spreads as far as a change could have an influence."""
    network, reach = network_of(name, "random").double(), find_spec(name).reach
    spread = 0
    for place in (256, 257, 272, 287):  # where poolings are cut differently
        inputs = torch.rand(1, 3, 32, 544, dtype=torch.float64)
        trimap = torch.full((1, 1, 32, 544), 128 / 255, dtype=torch.float64)
        inputs[..., place] = torch.nan
        with torch.inference_mode():
            found = network.estimate(ModelInput(src=inputs, trimap=trimap)).pha
        hit = found.isnan().any(dim=2)[0, 0].nonzero()
        spread = max(spread, place - int(hit.min()), int(hit.max()) - place)
    assert reach - 1 <= spread <= reach


def strip(width: int, height: int) -> tuple[Levels, Levels]:
    """A piece of the portrait whose outline runs along all of it."""
    image = cv2.resize(load(PICTURES / "photos" / "astronaut.jpg"), (width, width))
    mask = cv2.resize(load(PICTURES / "masks" / "astronaut.png"), (width, width))
    trimap = make_trimap(mask, TrimapOptions(dilate=20, erode=14))
    rows = np.s_[width // 3 : width // 3 + height]
    return np.ascontiguousarray(image[rows]), np.ascontiguousarray(trimap[rows])


def seam(difference: Float32, alpha: Float32, trimap: Levels, shape: TileShape) -> float:
    """The largest step of the difference where tiles begin to fade in or end, against the 99.9th
    percentile of the alpha's own steps elsewhere."""
    steps = np.abs(np.diff(difference, axis=1))
    own = np.abs(np.diff(alpha, axis=1))
    inside = (trimap[:, 1:] == 128) & (trimap[:, :-1] == 128)
    at = np.zeros(steps.shape, bool)
    for tile in tiles(Size.of(alpha), shape):
        for edge in (*tile.columns.rise, *tile.columns.fall, tile.columns.start):
            at[:, max(edge - 1, 0) : edge + 1] = True
    return float(steps[at & inside].max(initial=0) / np.quantile(own[~at & inside], 0.999))


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["random", "recorded"])
@pytest.mark.parametrize("name", ["dim", "dim:segnet"])
def test_networks_in_tiles_are_exact_with_their_reach_and_seamless_with_less(
    name: str, weights: str
) -> None:
    network, spec = network_of(name, weights), find_spec(name)
    image, trimap = strip(704, 64)
    unknown = trimap == 128

    def alpha(**options: Any) -> Float32:
        device = DeviceOptions(device="cpu", **options)
        inner = NetworkEstimator(network, spec, device)
        return solve(TileEstimator(inner, spec, device, Memory()), image, trimap).alpha

    whole = alpha(tile="off")
    assert whole[unknown].std() > 1e-4
    exact = np.abs(alpha(tile="544", overlap=228) - whole)
    assert exact.max() <= 1 / 65535
    less = alpha(tile="512", overlap=160) - whole  # context of two thirds of the farther reach
    assert np.abs(less)[unknown].mean() < 2e-3
    assert seam(less, whole, trimap, TileShape(side=512, overlap=160, grid=32)) < 1


@pytest.mark.parametrize("name", ["closed-form", "lbdm"])
def test_solvers_in_tiles_are_seamless(name: str) -> None:
    image = cv2.resize(load(PICTURES / "photos" / "astronaut.jpg"), (400, 400))
    mask = cv2.resize(load(PICTURES / "masks" / "astronaut.png"), (400, 400))
    trimap = make_trimap(mask, TrimapOptions(dilate=8, erode=6))
    image, trimap = image[:240].copy(), trimap[:240].copy()
    unknown = trimap == 128

    def alpha(**options: Any) -> Float32:
        solver = SolverEstimator(find_spec(name), 1, DeviceOptions(**options), Memory())
        return solve(solver, image, trimap).alpha

    whole = alpha(tile="off")
    assert np.array_equal(alpha(), whole)  # little enough to be solved at once
    tiled = alpha(tile="200", overlap=64)
    assert not np.array_equal(tiled, whole)
    assert np.abs(tiled - whole)[unknown].mean() < 2e-3
    assert seam(tiled - whole, whole, trimap, TileShape(side=200, overlap=64)) < 1


def test_a_solver_that_runs_out_of_memory_takes_smaller_tiles(
    monkeypatch: pytest.MonkeyPatch,
) -> None:

    from mattecli.engine import rough

    asked = []

    def poor(name: str, color: Levels, trimap: Levels) -> Float32:
        asked.append(color.shape[:2])
        if color.shape[0] * color.shape[1] > 80 * 80:
            raise MemoryError
        return real(name, color, trimap)

    real: Callable[..., Float32] = rough.solve
    monkeypatch.setattr(rough, "solve", poor)
    monkeypatch.setattr(rough, "_PIXELS", 5000)
    image, trimap = scene(150, 120)
    solver = SolverEstimator(find_spec("closed-form"), 1, DeviceOptions(), Memory())
    matte = solve(solver, image, trimap)
    assert len(matte.notes) == 1
    assert "went on with tiles of 75 pixels" in matte.notes[0]
    assert asked[0] == (120, 150)
    assert (matte.alpha[trimap == 255] == 1).all()


@pytest.mark.parametrize("name", ["closed-form", "rw"])
def test_a_region_wider_than_the_tiles_has_an_alpha_too(name: str) -> None:
    """A slope of colour from background to foreground: alpha follows it, in lone tiles too."""
    width, height = 420, 70
    slope = np.linspace(0, 1, width, dtype=np.float32)
    colors = np.stack([40 + 160 * slope, 200 - 150 * slope, 90 + 60 * slope], axis=-1)
    grain = np.random.default_rng(0).normal(0, 1, (height, width, 3))
    image = np.clip(np.rint(colors + grain), 0, 255).astype(np.uint8)
    trimap = np.full((height, width), 128, np.uint8)
    trimap[:, :20], trimap[:, -20:] = 0, 255

    def alpha(**options: Any) -> Float32:
        solver = SolverEstimator(find_spec(name), 1, DeviceOptions(**options), Memory())
        return solve(solver, image, trimap).alpha

    tiled = alpha(tile="96", overlap=16)
    assert tiled[:, :100].mean() < 0.3
    assert tiled[:, -100:].mean() > 0.7
    assert np.abs(tiled - alpha(tile="off")).mean() < 0.1
    assert np.abs(np.diff(tiled.mean(axis=0))).max() < 0.1


@contextmanager
def capped(fraction: float) -> Iterator[None]:
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(fraction)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
def test_a_gpu_with_little_memory_goes_on_with_smaller_tiles() -> None:
    spec, network = find_spec("dim:segnet"), network_of("dim:segnet", "random")
    image, trimap = strip(1216, 1216)
    device = DeviceOptions(device="cuda")
    inner = NetworkEstimator(network, spec, device)
    roomy = TileEstimator(inner, spec, device, Memory())
    whole = solve(roomy, image, trimap).alpha
    _, total = torch.cuda.mem_get_info()
    with capped(1_000_000_000 / total):  # the planner does not see it: it runs into it
        forced = DeviceOptions(device="cuda", tile="1216", overlap=96)
        matte = solve(TileEstimator(inner, spec, forced, Memory()), image, trimap)
    assert matte.notes
    assert np.abs(matte.alpha - whole)[trimap == 128].mean() < 2e-3
