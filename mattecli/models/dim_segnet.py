"""Deep Image Matting in the manner of SegNet: batch norm everywhere, no refinement.

Xu et al., "Deep Image Matting", CVPR 2017, arXiv 1703.03872, as re-implemented with SegNet's
encoder and decoder (Badrinarayanan et al., TPAMI 2017); published weights exist.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn

from mattecli.models.base import Estimate, MattingModel, ModelInput, load_strictly
from mattecli.models.parts.index_pooling import Switches, pool, unpool
from mattecli.models.parts.normalise import IMAGENET_MEAN, IMAGENET_STD, Normalise
from mattecli.models.parts.precision import sigmoid

__all__ = ["DIMSegNet"]


class Unit(nn.Module):
    """Convolution that keeps the size, batch norm, and ReLU in the encoder."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int, *, relu: bool) -> None:
        super().__init__()
        self.cbr_unit = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2),
            nn.BatchNorm2d(out_channels),
            *([nn.ReLU(inplace=True)] if relu else []),
        )

    def forward(self, x: Tensor) -> Tensor:
        """N,in,H,W to N,out,H,W."""
        y: Tensor = self.cbr_unit(x)
        return y


class Down(nn.Module):
    """Two or three units, then index pooling."""

    def __init__(self, in_channels: int, out_channels: int, *, units: int) -> None:
        super().__init__()
        self.conv1 = Unit(in_channels, out_channels, 3, relu=True)
        self.conv2 = Unit(out_channels, out_channels, 3, relu=True)
        if units == 3:
            self.conv3 = Unit(out_channels, out_channels, 3, relu=True)

    def forward(self, x: Tensor) -> tuple[Tensor, Switches]:
        """N,in,H,W to N,out,floor(H/2),floor(W/2), and what undoes it."""
        for unit in self.children():
            x = unit(x)
        return pool(x)


class Up(nn.Module):
    """Unpooling, then one unit without activation."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = Unit(in_channels, out_channels, 5, relu=False)

    def forward(self, x: Tensor, switches: Switches) -> Tensor:
        """N,in,h,w to N,out and the size before the pooling."""
        y: Tensor = self.conv(unpool(x, switches))
        return y


class DIMSegNet(MattingModel):
    """Five steps down and five up; 25.6 million parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        self.down1 = Down(4, 64, units=2)
        self.down2 = Down(64, 128, units=2)
        self.down3 = Down(128, 256, units=3)
        self.down4 = Down(256, 512, units=3)
        self.down5 = Down(512, 512, units=3)
        self.up5 = Up(512, 512)
        self.up4 = Up(512, 256)
        self.up3 = Up(256, 128)
        self.up2 = Up(128, 64)
        self.up1 = Up(64, 1)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """A network with the tensors of ``state``.

        Raises:
            CheckpointError: the keys or shapes do not fit.
        """
        network = cls()
        load_strictly(network, state)
        return network

    def forward(self, photo_and_trimap: Tensor) -> Tensor:
        """Alpha of a photo with its trimap.

        Args:
            photo_and_trimap: N,4,H,W; red, green, blue normalised as for ImageNet, and the trimap
                0..1. Any H and W of at least 32.

        Returns:
            N,H,W (no channel axis), 0..1.
        """
        x, switches1 = self.down1(photo_and_trimap)
        x, switches2 = self.down2(x)
        x, switches3 = self.down3(x)
        x, switches4 = self.down4(x)
        x, switches5 = self.down5(x)
        x = self.up5(x, switches5)
        x = self.up4(x, switches4)
        x = self.up3(x, switches3)
        x = self.up2(x, switches2)
        x = self.up1(x, switches1)
        return sigmoid(x[:, 0])

    def estimate(self, inputs: ModelInput) -> Estimate:
        """Alpha of a batch of photos with trimaps.

        Raises:
            ValueError: the trimap is missing.
        """
        if inputs.trimap is None:
            raise ValueError("Deep Image Matting needs a trimap")
        alpha = self(torch.cat((self.normalise(inputs.src), inputs.trimap), dim=1))
        return Estimate(pha=alpha[:, None])
