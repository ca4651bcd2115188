"""Atrous spatial pyramid pooling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["ASPP"]

_CHANNELS = 256
_DILATIONS = (3, 6, 9)


class _PooledBranch(nn.Sequential):
    """The mean of the whole map through a 1x1 convolution, spread over the map again."""

    def __init__(self, in_channels: int) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), *_conv_bn_relu(in_channels))

    def forward(self, x: Tensor) -> Tensor:
        """N,in,H,W to N,256,H,W, constant over H and W."""
        pooled = x
        for layer in self:
            pooled = layer(pooled)
        return pooled.expand(-1, -1, *x.shape[-2:])


class ASPP(nn.Module):
    """Filters of several reaches side by side (Chen et al., arXiv 1706.05587, figure 5).

    Dilations 3, 6 and 9 as in Background Matting V2 (arXiv 2012.07810, section 4.1). In training
    mode the pooled branch has one value per channel and picture, so its batch norm needs a batch
    of two or more.

    Args:
        in_channels: channels of the input.
    """

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            [
                nn.Sequential(*_conv_bn_relu(in_channels)),
                *(nn.Sequential(*_conv_bn_relu(in_channels, dilation=d)) for d in _DILATIONS),
                _PooledBranch(in_channels),
            ]
        )
        stacked = _CHANNELS * len(self.convs)
        self.project = nn.Sequential(*_conv_bn_relu(stacked), nn.Dropout(0.5))

    def forward(self, x: Tensor) -> Tensor:
        """N,in,H,W to N,256,H,W."""
        y: Tensor = self.project(torch.cat([branch(x) for branch in self.convs], dim=1))
        return y


def _conv_bn_relu(in_channels: int, *, dilation: int = 0) -> list[nn.Module]:
    """A 3x3 convolution of the given dilation, or a 1x1 one without."""
    kernel = 3 if dilation else 1
    return [
        nn.Conv2d(
            in_channels,
            _CHANNELS,
            kernel,
            padding=dilation,
            dilation=max(dilation, 1),
            bias=False,
        ),
        nn.BatchNorm2d(_CHANNELS),
        nn.ReLU(inplace=True),
    ]
