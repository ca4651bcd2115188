"""ResNet-50 and -101 whose last stage is dilated instead of strided (BGMv2's other encoders)."""

from __future__ import annotations

from torch import Tensor, nn

from mattecli.models.parts.pyramid import Pyramid

__all__ = ["DilatedResNet"]

_EXPANSION = 4


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut (He et al., CVPR 2016, figure 5).

    Args:
        in_channels: channels of the input.
        width: channels of the 3x3 convolution; the output has four times as many.
        stride: of the 3x3 convolution.
        dilation: likewise.
        project: the shortcut is a 1x1 convolution, since sizes or channels change.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        *,
        stride: int = 1,
        dilation: int = 1,
        project: bool = False,
    ) -> None:
        super().__init__()
        out_channels = width * _EXPANSION
        self.conv1 = nn.Conv2d(in_channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(
            width, width, 3, stride, padding=dilation, dilation=dilation, bias=False
        )
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample: nn.Module | None = None
        if project:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        """N,in,H,W to N,4*width,H/stride,W/stride (rounded up)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        out: Tensor = self.relu(y + shortcut)
        return out


class DilatedResNet(nn.Module):
    """ResNet without its classifier; maps of 64, 256, 512 and 2048 channels.

    Args:
        in_channels: channels of the input.
        layer3_blocks: bottlenecks of the third stage: 6 for ResNet-50, 23 for ResNet-101.
    """

    shortcuts = (512, 256, 64)
    """Channels of x3, x2 and x1."""
    out_channels = 2048
    """Channels of x4."""

    def __init__(self, in_channels: int, layer3_blocks: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(64, 64, count=3)
        self.layer2 = _stage(256, 128, count=4, stride=2)
        self.layer3 = _stage(512, 256, count=layer3_blocks, stride=2)
        self.layer4 = _stage(1024, 512, count=3, dilation=2)

    def forward(self, x0: Tensor) -> Pyramid:
        """N,in,H,W to its maps at 1/2 .. 1/16."""
        x1 = self.relu(self.bn1(self.conv1(x0)))
        x2 = self.layer1(self.maxpool(x1))
        x3 = self.layer2(x2)
        return Pyramid(x0, x1, x2, x3, x4=self.layer4(self.layer3(x3)))


def _stage(
    in_channels: int, width: int, *, count: int, stride: int = 1, dilation: int = 1
) -> nn.Sequential:
    """Bottlenecks of one width; the first carries the stride, the others the dilation."""
    first = Bottleneck(in_channels, width, stride=stride, project=True)
    rest = (Bottleneck(width * _EXPANSION, width, dilation=dilation) for _ in range(count - 1))
    return nn.Sequential(first, *rest)
