"""Blocks that several networks share."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mattecli.models.base import MattingModel, ModelInput
from mattecli.models.dim import DIM
from mattecli.models.dim_segnet import DIMSegNet
from mattecli.models.modnet import MODNet
from mattecli.models.parts.inverted_residual import InvertedResidual
from mattecli.models.parts.normalise import Normalise
from mattecli.models.parts.precision import sigmoid
from mattecli.models.shm import SHM


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_sigmoid_is_taken_in_float32(dtype: torch.dtype) -> None:
    logit = torch.linspace(-8, 8, 200).to(dtype)
    assert torch.equal(sigmoid(logit), torch.sigmoid(logit.float()))


def test_sigmoid_keeps_float64() -> None:
    logit = torch.linspace(-8, 8, 200, dtype=torch.float64)
    np.testing.assert_allclose(sigmoid(logit).numpy(), 1 / (1 + np.exp(-logit.numpy())), 1e-15)


@pytest.mark.parametrize("kind", [MODNet, SHM, DIM, DIMSegNet])
def test_alpha_is_float32_in_a_half_precision_run(kind: type[MattingModel]) -> None:
    torch.manual_seed(1)
    inputs = ModelInput(src=torch.rand(1, 3, 32, 64), trimap=torch.rand(1, 1, 32, 64))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        assert kind().eval().estimate(inputs).pha.dtype == torch.float32


def test_normalise() -> None:
    x = torch.rand(2, 3, 4, 5)
    mean, std = np.array([0.1, 0.2, 0.3]), np.array([0.5, 0.6, 0.7])
    normalise = Normalise(tuple(mean), tuple(std))
    expected = (x.numpy() - mean[:, None, None]) / std[:, None, None]
    np.testing.assert_allclose(normalise(x).numpy(), expected, rtol=1e-5, atol=1e-6)
    assert not normalise.state_dict()


@pytest.mark.parametrize(
    ("in_channels", "stride", "adds"), [(8, 1, True), (8, 2, False), (4, 1, False)]
)
def test_the_input_is_added_where_shapes_allow(in_channels: int, stride: int, adds: bool) -> None:
    block = InvertedResidual(in_channels, 8, stride=stride, expansion=6).eval()
    x = torch.rand(1, in_channels, 6, 9)
    with torch.inference_mode():
        for parameter in block.conv[-2].parameters():  # the projection
            parameter.zero_()
        y = block(x)
    assert y.shape == (1, 8, -(-6 // stride), -(-9 // stride))
    assert torch.equal(y, x) if adds else not y.any()


def test_expansion_1_leaves_the_expansion_out_unless_told() -> None:
    short = InvertedResidual(8, 8, stride=1, expansion=1).state_dict()
    whole = InvertedResidual(8, 8, stride=1, expansion=1, always_expand=True).state_dict()
    assert short["conv.0.weight"].shape == (8, 1, 3, 3)
    assert whole["conv.0.weight"].shape == (8, 8, 1, 1)
    assert len(whole) - len(short) == 6
