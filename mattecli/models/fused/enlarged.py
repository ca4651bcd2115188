"""Convolutions of a map that was enlarged to twice its size, without enlarging it.

Bilinear enlargement and convolution are both linear, so their order is free. That saves the
larger map, and where a kernel is large most of the arithmetic.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.fused.convolution import FusedConv
from mattecli.models.parts.tap_products import enlarged_sum, tap_weights

__all__ = ["EnlargedConv", "PhasedConv"]

_TAPS = torch.tensor(
    [
        [[0.75, 0.25, 0.0], [0.25, 0.75, 0.0], [0.0, 0.75, 0.25]],
        [[0.25, 0.75, 0.0], [0.0, 0.75, 0.25], [0.0, 0.25, 0.75]],
    ],
    dtype=torch.float64,
)
"""What each of a kernel's 3 taps sees of 3 neighbours in the small map; for even and odd places."""


class EnlargedConv(nn.Module):
    """``conv(enlarge(x))`` with the products made at the small size.

    Each tap of the kernel is a 1x1 convolution at the small size; enlarging and shifting its
    result, and the sum over taps, are two small matrix products, along x and along y. A 5x5 kernel
    takes a quarter of its arithmetic.

    Args:
        weight: out,in,k,k of a convolution that keeps the size.
        bias: out.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.out_channels, in_channels, self.kernel, _ = weight.shape
        taps = tap_weights(weight)
        self.products = FusedConv(taps, None, nn.Conv2d(in_channels, len(taps), 1))
        self.bias = nn.Parameter(bias.detach(), requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """N,in,H,W to N,out,2H,2W, channels last."""
        grown = enlarged_sum(self.products(x), self.kernel, self.out_channels)
        y: Tensor = grown.add_(self.bias).permute(0, 3, 1, 2)
        return y


class PhasedConv(nn.Module):
    """``conv(cat(enlarge(x), full))`` of a 3x3 kernel, in phases.

    Phases: the four pixels of each 2x2 block lie in four channels (as ``pixel_unshuffle`` puts
    them), so the maps have half the size and four times the channels, which suits convolutions
    of few channels.

    Args:
        weight: out,in,3,3; the first channels belong to ``x``, the last to ``full``.
        bias: out.
        full_channels: channels of ``full``.
    """

    def __init__(self, weight: Tensor, bias: Tensor, full_channels: int) -> None:
        super().__init__()
        small = weight[:, :-full_channels]
        valid = nn.Conv2d(small.shape[1], 4 * len(weight), 3)
        self.enlarged = FusedConv(_phases_of_enlarged(small), None, valid)
        like = nn.Conv2d(full_channels, 4 * len(weight), 4, stride=2, padding=1)
        kernels = _phases_of_full(weight[:, -full_channels:])
        self.full = FusedConv(kernels, bias.repeat_interleave(4), like)
        self.border = nn.Parameter(small.detach().clone(), requires_grad=False)

    def forward(self, x: Tensor, full: Tensor) -> Tensor:
        """N,in,H,W and N,full,2H,2W to N,4*out,H,W."""
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        y: Tensor = self.enlarged(padded, add=self.full(full))
        return self._without_outside(y, x)

    def _without_outside(self, y: Tensor, x: Tensor) -> Tensor:
        """Take off what lies outside the enlarged map, where a convolution sees zeros."""
        count, _, height, width = x.shape
        blocks = y.permute(0, 2, 3, 1).view(count, height, width, -1, 2, 2)
        for edge, tap in ((0, 0), (-1, 2)):
            row = F.pad(_enlarge_line(x[:, :, edge]), (1, 1), mode="replicate")
            outside = F.conv1d(row, self.border[:, :, tap])
            phases = outside.view(count, -1, width, 2).transpose(1, 2)
            blocks[:, edge, :, :, edge].sub_(phases)
            outside = F.conv1d(
                _enlarge_line(x[..., edge]), self.border[..., tap].contiguous(), padding=1
            )
            phases = outside.view(count, -1, height, 2).transpose(1, 2)
            blocks[:, :, edge, :, :, edge].sub_(phases)
        return y


def _enlarge_line(line: Tensor) -> Tensor:
    return F.interpolate(line, scale_factor=2, mode="linear", align_corners=False)


def _phases_of_enlarged(weight: Tensor) -> Tensor:
    """out,in,3,3 over the enlarged map to 4*out,in,3,3 over the small one."""
    exact = torch.einsum("oiyx,ayv,bxu->oabivu", weight.double(), _TAPS, _TAPS)
    return exact.flatten(0, 2).to(weight.dtype)


def _phases_of_full(weight: Tensor) -> Tensor:
    """out,in,3,3 to 4*out,in,4,4 for a stride of 2."""
    out_channels, in_channels = weight.shape[:2]
    phases = weight.new_zeros(out_channels, 2, 2, in_channels, 4, 4)
    for a in range(2):
        for b in range(2):
            phases[:, a, b, :, a : a + 3, b : b + 3] = weight
    return phases.flatten(0, 2)
