"""SHM: class order, normalisation, files. Its numbers are in tests/parity."""

from __future__ import annotations

import zlib

import pytest
import torch
from parity.core import parity_folder
from torch import Tensor

from mattecli.errors import CheckpointError
from mattecli.models.base import ModelInput
from mattecli.models.checkpoint import read_checkpoint
from mattecli.models.shm import SHM, TRAINING_MEAN

SAMPLE = parity_folder() / "shm_model_obj.pth"


@pytest.fixture(scope="module")
def network() -> SHM:
    torch.manual_seed(1)
    return SHM().eval()


@pytest.fixture
def state(network: SHM) -> dict[str, Tensor]:
    return dict(network.state_dict())


def test_the_published_order_takes_channel_1_for_foreground(network: SHM) -> None:
    shares = torch.tensor([0.2, 0.5, 0.3]).view(1, 3, 1, 1)
    alpha_r = torch.tensor(0.4).view(1, 1, 1, 1)
    assert network.fuse(shares, alpha_r).item() == pytest.approx(0.5 + 0.3 * 0.4)


def test_the_labels_order_takes_channel_2_for_foreground() -> None:
    shares = torch.tensor([0.2, 0.5, 0.3]).view(1, 3, 1, 1)
    alpha_r = torch.tensor(0.4).view(1, 1, 1, 1)
    assert SHM("labels").fuse(shares, alpha_r).item() == pytest.approx(0.3 + 0.5 * 0.4)


def test_the_class_order_travels_with_the_weights(state: dict[str, Tensor]) -> None:
    ours = SHM.fresh()
    assert (ours.foreground, ours.unknown) == (2, 1)
    again = SHM.from_state(ours.state_dict())
    assert (again.foreground, again.unknown) == (2, 1)
    assert set(ours.state_dict()) - set(state) == {"order_as_labels"}
    published = SHM.from_state(state)
    assert (published.foreground, published.unknown) == (1, 2)


def test_a_published_state_has_429_entries(network: SHM, state: dict[str, Tensor]) -> None:
    assert len(state) == 429
    assert sum(parameter.numel() for parameter in network.parameters()) == 3_263_315


@pytest.mark.parametrize("mean", [(104.0, 112.0, 121.0), TRAINING_MEAN])
def test_estimate_takes_plain_rgb(
    state: dict[str, Tensor], mean: tuple[float, float, float]
) -> None:
    network = SHM.from_state(state, mean=mean).eval()
    levels = torch.randint(0, 256, (1, 3, 32, 48)).float()
    blue_green_red = levels[:, [2, 1, 0]]
    with torch.inference_mode():
        alpha = network.estimate(ModelInput(src=levels / 255)).pha
        expected = network((blue_green_red - torch.tensor(mean).view(1, 3, 1, 1)) / 255).alpha_p
    torch.testing.assert_close(alpha, expected.clamp(0, 1), atol=1e-5, rtol=0)


def test_estimate_clips_what_the_network_does_not(state: dict[str, Tensor]) -> None:
    network = SHM.from_state({**state, "m_net.conv.weight": state["m_net.conv.weight"] * 1e4})
    src = torch.rand(1, 3, 32, 32)
    with torch.inference_mode():
        raw = network(network.normalise(src.flip(1))).alpha_p
        alpha = network.eval().estimate(ModelInput(src=src)).pha
    assert raw.abs().max() > 1
    assert 0 <= alpha.min() <= alpha.max() <= 1


def test_files_of_old_pytorch_lack_the_counters(state: dict[str, Tensor]) -> None:
    old = {key: value for key, value in state.items() if not key.endswith("num_batches_tracked")}
    assert len(old) < len(state)
    assert SHM.from_state(old).state_dict().keys() == state.keys()


@pytest.mark.parametrize("key", ["m_net.en_conv_bn_relu_5.0.weight", "t_net.last_conv.bias"])
def test_loading_is_strict_and_names_the_key(state: dict[str, Tensor], key: str) -> None:
    del state[key]
    with pytest.raises(CheckpointError, match=f"missing: {key}"):
        SHM.from_state(state)


def test_all_but_the_unused_layer_learns() -> None:
    torch.manual_seed(2)
    network = SHM.fresh()
    output = network(torch.rand(2, 3, 32, 32) - 0.5)
    (output.alpha_p.square().mean() + output.trimap[:, 0].square().mean()).backward()
    without = {name for name, p in network.named_parameters() if p.grad is None}
    assert {name.rpartition(".")[0] for name in without} == {
        "m_net.en_conv_bn_relu_5.0",
        "m_net.en_conv_bn_relu_5.1",
    }


@pytest.mark.skipif(not SAMPLE.is_file(), reason=f"no sample file {SAMPLE}")
def test_a_pickled_network_object_is_read() -> None:
    network = SHM.from_state(read_checkpoint(SAMPLE).state)
    for key, value in network.state_dict().items():
        counts = key.endswith("num_batches_tracked")
        expected = 0 if counts else zlib.crc32(key.encode()) % 1000 / 1000
        assert torch.all(value == torch.tensor(expected, dtype=value.dtype)), key
