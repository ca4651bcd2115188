"""Background Matting V2's network: refinement of chosen cells, sizing, strictness."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mattecli.errors import CheckpointError
from mattecli.models.base import ModelInput
from mattecli.models.bgmv2 import BGMv2, BGMv2Output, RefineOptions
from mattecli.models.checkpoint import Checkpoint
from mattecli.models.parts import refiner as refiner_module
from mattecli.models.parts.refiner import Refiner
from mattecli.models.weights import recognise

HALF = RefineOptions(backbone_scale=0.5)


@pytest.fixture(scope="module")
def network() -> BGMv2:
    with torch.random.fork_rng():
        torch.manual_seed(5)
        network = BGMv2.fresh().eval()
    with torch.no_grad():  # so that outputs differ from pixel to pixel
        network.decoder.conv4.weight *= 2
    return network


def with_refiner(network: BGMv2, kernel_size: int) -> BGMv2:
    changed = copy.deepcopy(network)
    with torch.random.fork_rng():
        torch.manual_seed(8)
        changed.refiner = Refiner(kernel_size).eval()
    return changed


def pictures(count: int, height: int, width: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(6)
    src, bgr = torch.rand(2, count, 3, height, width, generator=generator)
    return src, bgr


@torch.inference_mode()
def run(network: BGMv2, options: RefineOptions, count: int = 1) -> BGMv2Output:
    output: BGMv2Output = network(*pictures(count, 96, 128), options)
    return output


def at_cells(ref: Tensor) -> Tensor:
    return ref.repeat_interleave(4, 2).repeat_interleave(4, 3) > 0


def test_parameters_and_entries_are_as_published() -> None:
    for variant, parameters, entries in (
        ("", 5_006_839, 382),
        ("resnet50", 40_247_703, 394),
        ("resnet101", 59_239_831, 700),
    ):
        with torch.device("meta"):
            network = BGMv2.fresh(variant)
        assert sum(p.numel() for p in network.parameters()) == parameters
        assert len(network.state_dict()) == entries


@pytest.mark.parametrize("mode", ["sampling", "thresholding"])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_a_refined_cell_is_what_full_mode_gives(
    network: BGMv2,
    mode: Literal["sampling", "thresholding"],
    kernel_size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(refiner_module, "_WINDOWS_AT_A_TIME", 17)
    monkeypatch.setattr(refiner_module, "_BAND_CELLS", 100)
    monkeypatch.setattr(refiner_module, "_DENSE_SHARE", 1.0)
    network = with_refiner(network, kernel_size)
    full = run(network, replace(HALF, mode="full"), count=2)
    options = replace(HALF, mode=mode, sample_pixels=1000, threshold=float(full.err_sm.median()))
    some = run(network, options, count=2)
    chosen = at_cells(some.ref_sm)
    assert 0 < chosen.float().mean() < 1
    # But for the order of sums, which follows how many cells are convolved at once.
    rounding = 2**-23 if kernel_size == 3 else 1e-6
    everywhere = chosen.expand_as(some.fgr)
    for found, wanted in (
        (some.pha[chosen], full.pha[chosen]),
        (some.fgr[everywhere], full.fgr[everywhere]),
    ):
        torch.testing.assert_close(found, wanted, rtol=0, atol=rounding)
    coarse = refiner_module.resize(some.pha_sm, (96, 128))
    assert torch.equal(some.pha[~chosen], coarse[~chosen])


def test_many_cells_are_computed_densely_with_the_same_result(
    network: BGMv2, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = replace(HALF, sample_pixels=96 * 128 // 2)
    dense = run(network, options)
    monkeypatch.setattr(refiner_module, "_DENSE_SHARE", 1.0)
    windowed = run(network, options)
    assert torch.equal(dense.ref_sm, windowed.ref_sm)
    assert torch.equal(dense.pha, windowed.pha)


@pytest.mark.parametrize("sample_pixels", [0, 15, 16, 700, 96 * 128, 10**9])
def test_sampling_takes_as_many_cells_as_the_pixels_fill(
    network: BGMv2, sample_pixels: int
) -> None:
    options = replace(HALF, sample_pixels=sample_pixels, prevent_oversampling=False)
    output = run(network, options, count=2)
    expected = min(sample_pixels // 16, 24 * 32)
    assert output.ref_sm.sum(dim=(1, 2, 3)).tolist() == [expected, expected]


def test_sampling_takes_the_largest_errors(network: BGMv2) -> None:
    output = run(network, replace(HALF, sample_pixels=1600))
    errors = refiner_module.resize(output.err_sm, (24, 32))
    chosen = output.ref_sm > 0
    assert errors[chosen].min() >= errors[~chosen].max()


def test_cells_without_expected_error_are_left_alone(network: BGMv2) -> None:
    silent = copy.deepcopy(network)
    with torch.no_grad():
        silent.decoder.conv4.bias[4] = -1e6
    everything = replace(HALF, sample_pixels=10**6)
    assert run(silent, everything).ref_sm.sum() == 0
    assert run(silent, replace(everything, prevent_oversampling=False)).ref_sm.mean() == 1


@torch.inference_mode()
def test_a_batch_gives_what_its_pictures_give_alone(network: BGMv2) -> None:
    src, bgr = pictures(3, 64, 96)
    options = replace(HALF, sample_pixels=800)
    together = network(src, bgr, options)
    for index in range(3):
        alone = network(src[index : index + 1], bgr[index : index + 1], options)
        assert torch.equal(together.ref_sm[index], alone.ref_sm[0])
        torch.testing.assert_close(together.pha[index], alone.pha[0], rtol=0, atol=1e-5)


@torch.inference_mode()
@pytest.mark.parametrize("size", [(16, 16), (20, 36), (4, 4)])
def test_small_pictures_work(network: BGMv2, size: tuple[int, int]) -> None:
    src, bgr = pictures(1, *size)
    estimate = network.estimate(ModelInput(src=src, bgr=bgr))
    assert estimate.fgr is not None
    assert estimate.pha.shape == (1, 1, *size)
    for tensor in (estimate.pha, estimate.fgr):
        assert 0 <= tensor.min() <= tensor.max() <= 1


@torch.inference_mode()
def test_without_a_refiner_it_is_the_base_network_at_any_size(network: BGMv2) -> None:
    state = {k: v for k, v in network.state_dict().items() if not k.startswith("refiner.")}
    base = BGMv2.from_state(state).eval()
    output = base(*pictures(1, 45, 61))
    assert output.ref_sm is None
    assert output.pha.shape == (1, 1, 45, 61)
    assert output.hid_sm.shape == (1, 32, 45, 61)
    assert output.hid_sm.min() == 0


def test_training_sends_gradients_through_chosen_cells_into_the_coarse_network() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(9)
        network = BGMv2.fresh().train()
        output = network(*pictures(2, 64, 96), replace(HALF, sample_pixels=800))
        chosen = at_cells(output.ref_sm)
        output.pha[chosen].sum().backward()
    for part in (network.refiner.conv1, network.decoder.conv4, network.backbone.features[0][0]):
        assert part.weight.grad.abs().sum() > 0


def test_kernel_and_backbone_are_told_by_the_tensors(network: BGMv2) -> None:
    small = BGMv2.from_state(with_refiner(network, kernel_size=1).state_dict())
    assert small.refiner.conv1.kernel_size == (1, 1)
    with pytest.raises(CheckpointError, match="backbone"):
        BGMv2.from_state({"decoder.conv4.weight": torch.zeros(37, 54, 3, 3)})


@pytest.mark.parametrize("missing", ["refiner.conv1.weight", "refiner.bn2.weight", "aspp.project"])
def test_an_incomplete_state_is_refused(network: BGMv2, missing: str) -> None:
    state = {k: v for k, v in network.state_dict().items() if not k.startswith(missing)}
    with pytest.raises(CheckpointError, match=missing):
        BGMv2.from_state(state)


@pytest.mark.parametrize("name", ["bgmv2", "bgmv2:resnet50", "bgmv2:resnet101"])
def test_a_checkpoint_is_recognised_by_its_backbone(name: str) -> None:
    with torch.device("meta"):
        state = BGMv2.fresh(name.removeprefix("bgmv2").removeprefix(":")).state_dict()
    found = recognise(Checkpoint(path=Path("x.pth"), state=state, format="pytorch", sha256=""))
    assert found.name == name


def test_the_plate_is_needed(network: BGMv2) -> None:
    with pytest.raises(ValueError, match="plate"):
        network.estimate(ModelInput(src=torch.zeros(1, 3, 16, 16)))


@pytest.mark.parametrize(
    ("width", "height", "scale", "pixels"),
    [
        (1920, 1080, 0.25, 80_000),
        (1080, 1920, 0.25, 80_000),
        (3840, 2160, 0.125, 320_000),
        (640, 480, 0.5, 80_000),
    ],
)
def test_defaults_are_the_authors_advice(
    width: int, height: int, scale: float, pixels: int
) -> None:
    options = RefineOptions.for_size(width, height)
    assert (options.mode, options.backbone_scale) == ("sampling", scale)
    assert options.sample_pixels == pixels


@given(st.integers(1, 20_000), st.integers(1, 20_000))
def test_defaults_keep_the_coarse_size_about_the_same(width: int, height: int) -> None:
    options = RefineOptions.for_size(width, height)
    coarse = width * height * options.backbone_scale**2
    assert coarse <= 2 * 480 * 270
    assert options.backbone_scale == 0.5 or coarse > 480 * 270 / 2


@pytest.mark.parametrize(
    ("told", "scale"),
    [
        ({}, 0.25),
        ({"coarse_factor": "1.5"}, 0.375),
        ({"coarse_factor": "4"}, 0.5),
        ({"coarse_factor": "1.5", "backbone_scale": "0.2"}, 0.2),
    ],
)
def test_weights_may_ask_for_a_finer_coarse_network(
    network: BGMv2, told: dict[str, str], scale: float
) -> None:
    known = BGMv2.from_stored(network.state_dict(), told)
    assert known.chosen_options(1920, 1080).backbone_scale == pytest.approx(scale)


@pytest.mark.parametrize("text", ["0", "-1", "4.1", "nan", "fine"])
def test_a_factor_that_makes_no_sense_is_refused(network: BGMv2, text: str) -> None:
    with pytest.raises(CheckpointError, match="coarse_factor"):
        BGMv2.from_stored(network.state_dict(), {"coarse_factor": text})


@pytest.mark.parametrize("wrong", [{"backbone_scale": 0.6}, {"backbone_scale": 0}])
def test_impossible_options_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="backbone_scale"):
        RefineOptions(**wrong)


@pytest.mark.slow
def test_modes_agree_at_full_hd(network: BGMv2) -> None:
    src, bgr = pictures(1, 1080, 1920)
    with torch.inference_mode():
        some = network(src, bgr)
        full = network(src, bgr, replace(RefineOptions.for_size(1920, 1080), mode="full"))
    chosen = at_cells(some.ref_sm)
    assert chosen.sum() == 80_000
    assert torch.equal(some.pha[chosen], full.pha[chosen])
