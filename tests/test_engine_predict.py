"""The wrapper round networks: lanes, precision, threads, and the path through a GPU."""

from __future__ import annotations

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from conftest import photo

from mattecli.engine import devices
from mattecli.engine.devices import find_precision, use_threads
from mattecli.engine.estimator import Photo
from mattecli.engine.graphs import GraphedForm
from mattecli.engine.predict import NetworkEstimator, model_input
from mattecli.models.base import ModelInput
from mattecli.models.fused.form import InferenceForm
from mattecli.models.modnet import MODNet
from mattecli.models.registry import find_spec
from mattecli.ops.pixels import batch_from_image, batch_from_images
from mattecli.records import Array, Size
from mattecli.settings import DeviceOptions

CPU = DeviceOptions(device="cpu", precision="fp32")


@pytest.fixture(scope="module")
def network() -> MODNet:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        return MODNet().eval()


def whole(image: Array) -> Photo:
    return Photo(color=image, full=Size.of(image))


@pytest.fixture
def _threads_again() -> None:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_threads_again")
def test_lanes_share_the_cores_and_give_the_same_alpha(
    network: MODNet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    used: list[int] = []
    monkeypatch.setattr("mattecli.engine.predict.use_threads", used.append)
    spec = find_spec("modnet")
    alone = NetworkEstimator(network, spec, CPU, size=64)
    several = NetworkEstimator(network, spec, CPU, size=64, lanes=9)
    assert (alone.lanes, several.lanes) == (1, 4)
    photos = [whole(photo(96, 64, seed)) for seed in range(6)]
    meeting = threading.Barrier(3)

    def estimate(one: Photo) -> Array:
        meeting.wait(60)  # three are under way at the same time
        return several.estimate([several.prepare(one)])[0].alpha

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(estimate, photos))
    assert used == [1] * 6
    for one, alpha in zip(photos, found, strict=True):
        expected = alone.estimate([alone.prepare(one)])[0].alpha
        np.testing.assert_array_equal(alpha, expected)
    assert used[6:] == [4] * 6


def test_a_network_at_full_size_does_one_photo_at_a_time() -> None:
    """Its maps alone may fill the memory."""
    from mattecli.models.dim_segnet import DIMSegNet

    estimator = NetworkEstimator(DIMSegNet().eval(), find_spec("dim:segnet"), CPU, lanes=9)
    assert estimator.lanes == 1


def test_auto_takes_half_precision_only_where_units_and_proof_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cpu, cuda = torch.device("cpu"), torch.device("cuda")
    for has_units in (True, False):
        monkeypatch.setattr(devices, "cpu_bf16_unit", lambda has=has_units: "AMX" if has else "")
        expected = torch.bfloat16 if has_units else torch.float32
        assert find_precision("auto", cpu, half_is_sound=True) == expected
        assert find_precision("auto", cpu, half_is_sound=False) == torch.float32
    assert find_precision("auto", cuda, half_is_sound=True) == torch.float16
    assert find_precision("auto", torch.device("mps"), half_is_sound=True) == torch.float32
    assert find_precision("bf16", cpu) == torch.bfloat16


@pytest.mark.usefixtures("_threads_again")
def test_threads_are_those_of_the_calling_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(use_threads, 1).result()
        assert pool.submit(torch.get_num_threads).result() == 1


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [(), (3,)])
def test_a_batch_is_its_images(kind: type, channels: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    top = 1 if kind == np.float32 else np.iinfo(kind).max
    images = [(rng.random((5, 7, *channels)) * top).astype(kind) for _ in range(3)]
    found = batch_from_images(images)
    assert torch.equal(found, torch.cat([batch_from_image(image) for image in images]))


def test_a_batch_of_several_types_scales_each() -> None:
    images = [np.full((2, 3, 3), 255, np.uint8), np.full((2, 3, 3), 65535, np.uint16)]
    assert torch.equal(batch_from_images(images), torch.ones(2, 3, 2, 3))


cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")


@pytest.mark.cuda
@cuda
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_graph_gives_what_the_form_gives(network: MODNet, dtype: torch.dtype) -> None:
    device = torch.device("cuda")
    form = InferenceForm(network, dtype).to(device)
    lane = GraphedForm(form, device)
    for seed in range(5):  # the first call runs plainly, the second records
        for side in (64, 96):
            inputs = ModelInput(src=batch_from_images([photo(96, side, seed)], device))
            with lane.running():
                found = lane.estimate(inputs).pha.clone()
            torch.cuda.synchronize()
            bound = 1e-4 if dtype == torch.float32 else 1e-3
            assert (found - form.estimate(inputs).pha).abs().mean() < bound


@pytest.mark.cuda
@cuda
def test_the_gpu_gives_what_the_cpu_gives(network: MODNet) -> None:
    spec = find_spec("modnet")
    options = DeviceOptions(device="cuda", precision="fp32", batch_size="2")
    there = NetworkEstimator(network, spec, options, size=64)
    here = NetworkEstimator(network, spec, CPU, size=64)
    assert there.lanes == 2
    for seed in range(4):
        prepared = here.prepare(whole(photo(96, 64, seed)))
        difference = there.estimate([prepared])[0].alpha - here.estimate([prepared])[0].alpha
        assert np.abs(difference).mean() < 1e-4


@pytest.mark.cuda
@cuda
def test_nothing_waits_for_the_gpu_inside_the_network(network: MODNet) -> None:
    device = torch.device("cuda")
    form = InferenceForm(network, torch.float16).to(device)
    prepared = NetworkEstimator(network, find_spec("modnet"), CPU, size=64).prepare(
        whole(photo(96, 64))
    )
    inputs = model_input([prepared], device)
    form.estimate(inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        form.estimate(inputs)
    finally:
        torch.cuda.set_sync_debug_mode("default")
