"""MobileNetV2 whose last stage is dilated instead of strided (Background Matting V2's encoder)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from mattecli.models.parts.pyramid import Pyramid

__all__ = ["DilatedMobileNetV2"]


@dataclass(frozen=True, slots=True)
class _Stage:
    """Blocks of one width: ``stride`` holds for the first, ``dilation`` for all the others."""

    channels: int
    count: int
    stride: int = 1
    first_dilation: int = 1
    dilation: int = 1


# Sandler et al., MobileNetV2, CVPR 2018, table 2, without the first bottleneck (expansion 1).
# The stage of 160 channels keeps its size; from its second block on the filters are dilated.
_STAGES = (
    _Stage(24, 2, stride=2),
    _Stage(32, 3, stride=2),
    _Stage(64, 4, stride=2),
    _Stage(96, 3),
    _Stage(160, 3, dilation=2),
    _Stage(320, 1, first_dilation=2),
)


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; each convolution with its norm is a nested sequence.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: of the depthwise convolution, 1 or 2.
        dilation: of the depthwise convolution.
        expansion: inner channels per input channel; 1 leaves the expanding convolution out.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        expansion: int = 6,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        expand = [] if expansion == 1 else [_conv_bn_relu6(in_channels, inner, kernel=1)]
        self.conv = nn.Sequential(
            *expand,
            _conv_bn_relu6(inner, inner, stride=stride, dilation=dilation, groups=inner),
            nn.Conv2d(inner, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.adds_input = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """N,in,H,W to N,out,H/stride,W/stride (rounded up)."""
        y: Tensor = self.conv(x)
        return x + y if self.adds_input else y


class DilatedMobileNetV2(nn.Module):
    """Width 1.0 without the classifier; maps of 16, 24, 32 and 320 channels."""

    shortcuts = (32, 24, 16)
    """Channels of x3, x2 and x1."""
    out_channels = 320
    """Channels of x4."""

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        blocks: list[nn.Module] = [
            _conv_bn_relu6(in_channels, 32, stride=2),
            InvertedResidual(32, 16, expansion=1),
        ]
        channels = 16
        for stage in _STAGES:
            for index in range(stage.count):
                first = index == 0
                blocks.append(
                    InvertedResidual(
                        channels,
                        stage.channels,
                        stride=stage.stride if first else 1,
                        dilation=stage.first_dilation if first else stage.dilation,
                    )
                )
                channels = stage.channels
        self.features = nn.Sequential(*blocks)

    def forward(self, x0: Tensor) -> Pyramid:
        """N,in,H,W to its maps at 1/2 .. 1/16."""
        x1 = self.features[:2](x0)
        x2 = self.features[2:4](x1)
        x3 = self.features[4:7](x2)
        return Pyramid(x0, x1, x2, x3, x4=self.features[7:](x3))


def _conv_bn_relu6(
    in_channels: int,
    out_channels: int,
    *,
    kernel: int = 3,
    stride: int = 1,
    dilation: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    padding = kernel // 2 * dilation
    return nn.Sequential(
        nn.Conv2d(
            in_channels,
            out_channels,
            kernel,
            stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=False,
        ),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    )
