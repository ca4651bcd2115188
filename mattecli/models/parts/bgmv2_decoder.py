"""The decoder of Background Matting V2's coarse network (Lin et al., CVPR 2021, section 4.1)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.parts.pyramid import Pyramid
from mattecli.models.parts.refiner import resize

__all__ = ["Decoder"]


class Decoder(nn.Module):
    """Enlarges the deepest map step by step, with a shortcut at each (section 4.1).

    Args:
        in_channels: channels of the deepest map.
        shortcuts: channels of the shortcuts at 1/8, 1/4, 1/2 and full size.
        out_channels: channels of the result.
    """

    def __init__(
        self, in_channels: int, shortcuts: tuple[int, int, int, int], out_channels: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels + shortcuts[0], 128, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(128)
        self.conv2 = nn.Conv2d(128 + shortcuts[1], 64, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(64)
        self.conv3 = nn.Conv2d(64 + shortcuts[2], 48, 3, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(48)
        self.conv4 = nn.Conv2d(48 + shortcuts[3], out_channels, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor, maps: Pyramid, channels: int | None = None) -> Tensor:
        """The deepest map and the shortcuts to N,out,H,W, or the first ``channels`` of out."""
        x = self.relu(self.bn1(self.conv1(_join(x, maps.x3))))
        x = self.relu(self.bn2(self.conv2(_join(x, maps.x2))))
        x = self.relu(self.bn3(self.conv3(_join(x, maps.x1))))
        last = _join(x, maps.x0)
        if channels is None:
            y: Tensor = self.conv4(last)
            return y
        weight, bias = self.conv4.weight[:channels], self.conv4.bias
        return F.conv2d(last, weight, None if bias is None else bias[:channels], padding=1)


def _join(x: Tensor, shortcut: Tensor) -> Tensor:
    height, width = shortcut.shape[-2:]
    return torch.cat((resize(x, (height, width)), shortcut.to(x.dtype)), dim=1)
