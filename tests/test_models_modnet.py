"""MODNet: files, blocks, training mode. Its numbers are in tests/parity."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from mattecli.errors import CheckpointError
from mattecli.models.base import ModelInput
from mattecli.models.checkpoint import read_checkpoint
from mattecli.models.modnet import IBNorm, MODNet

State = dict[str, Tensor]


@pytest.fixture(scope="module")
def network() -> MODNet:
    torch.manual_seed(1)
    return MODNet().eval()


@pytest.fixture
def state(network: MODNet) -> State:
    return dict(network.state_dict())


def with_both_backbones(state: Mapping[str, Tensor]) -> State:
    second = {f"lr_branch.{k}": v.clone() for k, v in state.items() if k.startswith("backbone.")}
    return {**state, **second}


def with_second_backbone_only(state: Mapping[str, Tensor]) -> State:
    return {k: v for k, v in with_both_backbones(state).items() if not k.startswith("backbone.")}


def assert_same_weights(found: MODNet, expected: Mapping[str, Tensor]) -> None:
    own = found.state_dict()
    assert own.keys() == expected.keys()
    assert all(torch.equal(own[key], value) for key, value in expected.items())


@pytest.mark.parametrize("form", [dict, with_both_backbones, with_second_backbone_only])
def test_files_hold_the_backbone_once_or_twice(state: State, form: type[State]) -> None:
    assert_same_weights(MODNet.from_state(form(state)), state)


def test_a_published_file_has_a_prefix_and_both_backbones(tmp_path: Path, state: State) -> None:
    file = tmp_path / "modnet.ckpt"
    published = {f"module.{key}": value for key, value in with_both_backbones(state).items()}
    torch.save(published, file, _use_new_zipfile_serialization=False)
    assert_same_weights(MODNet.from_state(read_checkpoint(file).state), state)


def test_two_backbones_that_differ_are_refused(state: State) -> None:
    both = with_both_backbones(state)
    key = "lr_branch.backbone.model.features.0.0.weight"
    both[key] = both[key] + 1
    with pytest.raises(CheckpointError, match=r"backbone\.model\.features\.0\.0\.weight differ"):
        MODNet.from_state(both)


@pytest.mark.parametrize("change", ["missing", "unknown", "another shape", "not finite"])
def test_loading_is_strict_and_names_the_key(state: State, change: str) -> None:
    key = "f_branch.conv_f.1.layers.0.weight"
    if change == "missing":
        del state[key]
    elif change == "unknown":
        key = "f_branch.conv_f.2.weight"
        state[key] = torch.zeros(1)
    else:
        state[key] = torch.zeros(2, 2) if change == "another shape" else state[key] * math.nan
    with pytest.raises(CheckpointError, match=key) as failure:
        MODNet.from_state(state)
    assert change in str(failure.value)


def test_side_outputs_only_when_asked_for(network: MODNet) -> None:
    image = torch.rand(2, 3, 64, 96) * 2 - 1
    with torch.inference_mode():
        alone, whole = network(image), network(image, inference=False)
    assert alone.semantic is None
    assert alone.detail is None
    assert torch.equal(alone.matte, whole.matte)
    assert whole.matte.shape == whole.detail.shape == (2, 1, 64, 96)
    assert whole.semantic.shape == (2, 1, 4, 6)
    for output in (whole.matte, whole.detail, whole.semantic):
        assert 0 <= output.min() <= output.max() <= 1


def test_estimate_takes_plain_rgb(network: MODNet) -> None:
    src = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        alpha = network.estimate(ModelInput(src=src)).pha
        expected = network(2 * src - 1).matte
    torch.testing.assert_close(alpha, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("channels", [4, 5])
def test_ibnorm_normalises_half_by_batch_and_half_by_instance(channels: int) -> None:
    torch.manual_seed(2)
    norm, half = IBNorm(channels).double(), channels // 2
    torch.nn.init.uniform_(norm.bnorm.weight, 0.5, 2)
    torch.nn.init.uniform_(norm.bnorm.bias)
    norm.bnorm.running_mean += 0.5
    norm.bnorm.running_var *= 2
    x = torch.randn(3, channels, 5, 7, dtype=torch.float64)
    batch = (x[:, :half].numpy() - 0.5) / np.sqrt(2 + 1e-5)
    scale, shift = norm.bnorm.weight.detach().numpy(), norm.bnorm.bias.detach().numpy()
    batch = batch * scale[:, None, None] + shift[:, None, None]
    rest = x[:, half:].numpy()
    mean, variance = rest.mean((2, 3), keepdims=True), rest.var((2, 3), keepdims=True)
    instance = (rest - mean) / np.sqrt(variance + 1e-5)
    with torch.inference_mode():
        found = norm.eval()(x).numpy()
    np.testing.assert_allclose(found, np.concatenate([batch, instance], 1), atol=1e-12)


def test_the_backbone_is_counted_once(network: MODNet) -> None:
    assert sum(parameter.numel() for parameter in network.parameters()) == 6_487_075


def test_every_parameter_learns() -> None:
    torch.manual_seed(3)
    network = MODNet()
    network.initialise_for_training()
    output = network(torch.rand(2, 3, 64, 64) * 2 - 1, inference=False)
    (output.semantic.square().mean() + output.detail.mean() + output.matte.mean()).backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # A constant before a normalisation has no effect: half of those biases get rounding only.
    assert [name for name in still if not name.endswith("bias")] == []


def test_initialisation_for_training(network: MODNet) -> None:
    torch.manual_seed(4)
    backbone = {
        key: torch.rand_like(value) if value.is_floating_point() else value
        for key, value in network.backbone.model.state_dict().items()
    }
    fresh = MODNet()
    fresh.initialise_for_training(backbone)
    convolution = fresh.lr_branch.conv_lr16x.layers[0]
    bound = math.sqrt(6 / (1280 * 5 * 5))  # Kaiming uniform, fan-in, ReLU
    assert convolution.weight.abs().max().item() == pytest.approx(bound, rel=1e-3)
    assert not convolution.bias.any()
    norm = fresh.lr_branch.conv_lr16x.layers[1].bnorm
    assert (norm.weight == 1).all()
    assert not norm.bias.any()
    for key, value in fresh.backbone.model.state_dict().items():
        assert torch.equal(value, backbone[key]), key


def test_a_backbone_of_another_network_is_refused(network: MODNet) -> None:
    with pytest.raises(CheckpointError, match=r"features\.0\.0\.weight"):
        network.initialise_for_training({"features.0.weight": torch.zeros(1)})
