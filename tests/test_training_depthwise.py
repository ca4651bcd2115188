"""Strided and dilated depthwise convolutions in training: the same numbers as PyTorch's own."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mattecli.models.parts.mobilenetv2 import MobileNetV2
from mattecli.models.parts.mobilenetv2_dilated import DilatedMobileNetV2
from mattecli.training.depthwise import quicken_depthwise


@pytest.mark.parametrize("size", [(16, 16), (15, 18), (9, 7), (2, 2)])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize(("stride", "dilation"), [(2, 1), (1, 2)])
def test_gradients_are_those_of_the_plain_convolution(
    stride: int, dilation: int, kernel: int, size: tuple[int, int]
) -> None:
    torch.manual_seed(0)
    padding = dilation * (kernel // 2)
    layer = nn.Conv2d(8, 8, kernel, stride, padding, dilation, groups=8, bias=False)
    plain = nn.Sequential(layer).double()
    quick = copy.deepcopy(plain)
    quicken_depthwise(quick)
    assert type(quick[0]) is not nn.Conv2d
    x = torch.randn(3, 8, *size, dtype=torch.float64)
    found = []
    for network in (plain, quick):
        own = x.clone().requires_grad_()
        y = network(own)
        y.square().sum().backward()
        (weight,) = network.parameters()
        found.append((y, own.grad, weight.grad))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("network", "changed"), [(MobileNetV2(), 4), (DilatedMobileNetV2(6), 6)])
def test_names_of_weights_stay_and_others_are_left_alone(network: nn.Module, changed: int) -> None:
    names = list(network.state_dict())
    plain = sum(type(module) is nn.Conv2d for module in network.modules())
    quicken_depthwise(network)
    assert list(network.state_dict()) == names
    assert plain - sum(type(module) is nn.Conv2d for module in network.modules()) == changed
