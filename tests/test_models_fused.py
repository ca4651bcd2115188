"""Parts of the inference forms against the layers that they replace."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.fused.convolution import Activation, FusedConv
from mattecli.models.fused.enlarged import EnlargedConv, PhasedConv
from mattecli.models.fused.folding import fold
from mattecli.models.fused.instance import moments, scale_shift_relu

QUICK = settings(max_examples=25, deadline=None)


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def norm_of(channels: int, seed: int) -> nn.BatchNorm2d:
    norm = nn.BatchNorm2d(channels).eval()
    with torch.no_grad():
        norm.weight.copy_(random(channels, seed=seed))
        norm.bias.copy_(random(channels, seed=seed + 1))
    norm.running_mean = random(channels, seed=seed + 2)
    norm.running_var = random(channels, seed=seed + 3).abs() + 0.1
    return norm


def enlarge(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


@dataclass(frozen=True)
class Layers:
    """One convolution and what follows it."""

    groups: int
    kernel: int
    stride: int
    dilation: int
    activation: Activation
    has_bias: bool
    has_norm: bool

    def build(self) -> tuple[nn.Conv2d, nn.BatchNorm2d | None, nn.Module]:
        conv = nn.Conv2d(
            8,
            16,
            self.kernel,
            self.stride,
            padding=self.kernel // 2,
            dilation=self.dilation,
            groups=self.groups,
            bias=self.has_bias,
        )
        after = {"none": nn.Identity(), "relu": nn.ReLU(), "relu6": nn.ReLU6()}
        return conv, norm_of(16, seed=3) if self.has_norm else None, after[self.activation]


@QUICK
@given(
    layers=st.builds(
        Layers,
        groups=st.sampled_from([1, 2, 8]),
        kernel=st.sampled_from([1, 3, 5]),
        stride=st.sampled_from([1, 2]),
        dilation=st.sampled_from([1, 2]),
    ),
    adds=st.booleans(),
    double=st.booleans(),
)
def test_a_fused_convolution_is_its_layers(layers: Layers, adds: bool, double: bool) -> None:
    conv, norm, after = layers.build()
    fused = FusedConv.of(conv, norm, layers.activation)
    x = 3 * random(2, 8, 11, 14)
    if double:  # the path without oneDNN
        conv, fused, x = conv.double(), fused.double(), x.double()
        norm = None if norm is None else norm.double()
    with torch.inference_mode():
        y = conv(x) if norm is None else norm(conv(x))
        other = random(*y.shape, seed=9).to(y.dtype) if adds else None
        expected = after(y if other is None else y + other)
        kept = x.clone()
        torch.testing.assert_close(fused(x, add=other), expected, atol=2e-5, rtol=2e-5)
        assert torch.equal(x, kept)


@QUICK
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    kernel=st.sampled_from([1, 3, 5]),
    count=st.integers(1, 2),
)
def test_convolving_first_and_enlarging_then_is_the_same(
    height: int, width: int, kernel: int, count: int
) -> None:
    conv = nn.Conv2d(6, 5, kernel, padding=kernel // 2).double()
    x = random(count, 6, height, width).double()
    with torch.inference_mode():
        found = EnlargedConv(conv.weight, conv.bias)(x)
        torch.testing.assert_close(found, conv(enlarge(x)), atol=1e-12, rtol=0)


@QUICK
@given(height=st.integers(1, 9), width=st.integers(1, 9), count=st.integers(1, 2))
def test_a_convolution_in_phases_is_the_same(height: int, width: int, count: int) -> None:
    conv = nn.Conv2d(6 + 3, 5, 3, padding=1).double()
    x = random(count, 6, height, width).double()
    full = random(count, 3, 2 * height, 2 * width, seed=1).double()
    x, full = (maps.contiguous(memory_format=torch.channels_last) for maps in (x, full))
    with torch.inference_mode():
        found = PhasedConv(conv.weight, conv.bias, full_channels=3)(x, full)
        expected = conv(torch.cat((enlarge(x), full), dim=1))
        torch.testing.assert_close(F.pixel_shuffle(found, 2), expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("dtype", "close"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.05)]
)
def test_instance_norm_and_relu(dtype: torch.dtype, close: float) -> None:
    x = (2 * random(2, 6, 13, 17) + 1).to(dtype).contiguous(memory_format=torch.channels_last)
    expected = F.relu(F.instance_norm(x.double()))
    with torch.inference_mode():
        mean, variance = moments(x)
        assert mean.dtype == torch.promote_types(dtype, torch.float32)
        gain = (variance + 1e-5).rsqrt()
        found = scale_shift_relu(x, gain, -mean * gain)
    torch.testing.assert_close(found.double(), expected, atol=close, rtol=0)


def test_folding_leaves_no_norm_and_keeps_what_a_sequence_computes() -> None:
    layers = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        norm_of(8, seed=5),
        nn.ReLU(inplace=True),
        nn.ReflectionPad2d(1),
        nn.Conv2d(8, 8, 3),
        nn.ReLU6(inplace=True),
        nn.Sequential(nn.Conv2d(8, 4, 1), norm_of(4, seed=8)),
        nn.Conv2d(4, 2, 1),
    ).eval()
    x = random(1, 3, 12, 9)
    with torch.inference_mode():
        expected = layers(x)
        fold(layers)
        torch.testing.assert_close(layers(x), expected, atol=1e-5, rtol=1e-5)
    kinds = {type(module) for module in layers.modules()}
    assert kinds == {nn.Sequential, FusedConv, nn.Identity, nn.ReflectionPad2d}
