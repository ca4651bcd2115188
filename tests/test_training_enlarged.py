"""MODNet's largest convolution before the enlargement: the same numbers, and gradients."""

from __future__ import annotations

import copy

import torch

from mattecli.models.modnet import MODNet
from mattecli.training.enlarged import convolve_before_enlarging


def test_values_and_gradients_are_those_of_the_plain_branch() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        plain = MODNet().double()
        maps = torch.randn(2, 1280, 3, 5, dtype=torch.float64)
    quick = copy.deepcopy(plain)
    convolve_before_enlarging(quick)
    assert list(quick.state_dict()) == list(plain.state_dict())
    found = []
    for network in (plain, quick):
        own = maps.clone().requires_grad_()
        y = network.lr_branch(own)
        (y * torch.arange(y.shape[-1])).sum().backward()
        weights = network.lr_branch.conv_lr16x.layers[0]
        found.append((y, own.grad, weights.weight.grad, weights.bias.grad))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)
