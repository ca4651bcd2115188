"""The fast IBNorm and ReLU of training against the plain layers."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.modnet import IBNorm, MODNet
from mattecli.training.fused_norm import FusedIBNormReLU, fuse_norms


def plain_norm(channels: int, seed: int) -> IBNorm:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        norm = IBNorm(channels)
        nn.init.normal_(norm.bnorm.weight)
        nn.init.normal_(norm.bnorm.bias)
        nn.init.normal_(norm.bnorm.running_mean)
        nn.init.uniform_(norm.bnorm.running_var, 0.5, 2)
    return norm


def results(norm: nn.Module, x: Tensor, weights: Tensor, training: bool) -> list[Tensor]:
    """Output, gradients of input, weight and bias, and the running statistics after."""
    leaf = x.clone().requires_grad_()
    norm.train(training)
    y = norm(leaf)
    grads = torch.autograd.grad((y * weights).sum(), (leaf, *norm.parameters()))
    buffers = [buffer.float() for buffer in norm.buffers()]
    return [y.detach(), *grads, *buffers]


class PlainIBNormReLU(nn.Module):
    def __init__(self, norm: IBNorm) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.norm(x))


@settings(max_examples=25, deadline=None)
@given(
    pictures=st.integers(2, 4),
    channels=st.sampled_from((2, 5, 8, 16)),
    sides=st.tuples(st.integers(2, 9), st.integers(2, 9)),
    training=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_equals_the_plain_layers(
    pictures: int, channels: int, sides: tuple[int, int], training: bool, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = 2 * torch.randn(pictures, channels, *sides, generator=generator) + 1
    weights = torch.randn(x.shape, generator=generator)
    norm = plain_norm(channels, seed)
    fused = FusedIBNormReLU(copy.deepcopy(norm.bnorm))
    expected = results(PlainIBNormReLU(norm), x, weights, training)
    actual = results(fused, x, weights, training)
    for ours, theirs in zip(actual, expected, strict=True):
        # An output within rounding of 0 may fall on either side of the ReLU.
        torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=2e-4)


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("mean", [1, 100])
def test_a_gpu_gives_what_the_plain_layers_give(training: bool, mean: int) -> None:
    generator = torch.Generator().manual_seed(5)
    x = (2 * torch.randn(3, 16, 17, 13, generator=generator) + mean).cuda()
    weights = torch.randn(x.shape, generator=generator).cuda()
    norm = plain_norm(16, seed=5).cuda()
    fused = FusedIBNormReLU(copy.deepcopy(norm.bnorm))
    expected = results(PlainIBNormReLU(norm), x, weights, training)
    actual = results(fused, x, weights, training)
    for ours, theirs in zip(actual, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=2e-4, atol=2e-4)


def test_keeps_names_and_outputs_of_a_network() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        plain = MODNet().train()
        x = torch.randn(2, 3, 64, 96)
    fused = copy.deepcopy(plain)
    fuse_norms(fused)
    assert list(fused.state_dict()) == list(plain.state_dict())
    with torch.no_grad():
        expected, actual = plain(x, inference=False), fused(x, inference=False)
    for name in ("matte", "semantic", "detail"):
        torch.testing.assert_close(
            getattr(actual, name), getattr(expected, name), rtol=0, atol=1e-4
        )
    for ours, theirs in zip(fused.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_bfloat16_stays_close_to_float32() -> None:
    x = torch.randn(2, 8, 16, 16, generator=torch.Generator().manual_seed(1))
    fused = FusedIBNormReLU(plain_norm(8, seed=1).bnorm).train()
    with torch.no_grad():
        precise, rough = fused(x), fused(x.bfloat16())
    assert rough.dtype == torch.bfloat16
    assert (precise - rough.float()).abs().max() < 0.05 * precise.abs().max()


@pytest.mark.parametrize("training", [True, False])
def test_output_is_nowhere_negative(training: bool) -> None:
    x = torch.randn(2, 8, 5, 5, generator=torch.Generator().manual_seed(2))
    y = FusedIBNormReLU(plain_norm(8, seed=2).bnorm).train(training)(x)
    assert y.min() == 0
    assert y.max() > 0
