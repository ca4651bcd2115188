"""Semantic Human Matting: a trimap, and from it an alpha matte, of a person.

Chen et al., "Semantic Human Matting", ACM Multimedia 2018, arXiv 1809.01354. Its authors published
neither code nor weights; the networks here are those of a light re-implementation that is in use: a
MobileNetV2 U-Net for T-Net, a thin encoder and decoder for M-Net.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.base import Estimate, MattingModel, ModelInput, load_strictly
from mattecli.models.parts.inverted_residual import InvertedResidual, inverted_residuals
from mattecli.models.parts.normalise import Normalise
from mattecli.models.parts.precision import at_least_float32

__all__ = ["SHM", "TEST_MEAN", "TRAINING_MEAN", "ClassOrder", "SHMOutput"]

TEST_MEAN = (104.0, 112.0, 121.0)
"""Blue, green, red levels that the published test script subtracts."""

TRAINING_MEAN = (114.0, 121.0, 134.0)
"""What the published training script subtracts instead."""

ClassOrder = Literal["published", "labels"]
"""What T-Net's channels 1 and 2 mean to the fusion.

published
    1 foreground, 2 unknown: the published fusion, which contradicts its own training labels.
labels
    1 unknown, 2 foreground: as the labels have it; the right choice for new training.
"""

_LABELS_KEY = "order_as_labels"


@dataclass(frozen=True, slots=True)
class SHMOutput:
    """What the two networks predict.

    Attributes:
        trimap: T-Net's logits, N,3,H,W; channel 0 is background.
        shares: their softmax, N,3,H,W, 0..1.
        alpha_r: M-Net's raw alpha, N,1,H,W, unbounded.
        alpha_p: the fused alpha, N,1,H,W, not clipped.
    """

    trimap: Tensor
    shares: Tensor
    alpha_r: Tensor
    alpha_p: Tensor


@dataclass(frozen=True, slots=True)
class _Scales:
    """The encoder's maps: 1 (16 channels), 1/2 (24), 1/4 (32), 1/8 (96), 1/16 (320)."""

    s1: Tensor
    s2: Tensor
    s3: Tensor
    s4: Tensor
    s5: Tensor


class Encoder(nn.Module):
    """MobileNetV2 without the stride of its first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.head_conv = _conv_bn_relu(3, 32, bias=False)
        self.block_1 = InvertedResidual(32, 16, stride=1, expansion=1, always_expand=True)
        self.block_2 = nn.Sequential(*inverted_residuals(16, 24, count=2, stride=2))
        self.block_3 = nn.Sequential(*inverted_residuals(24, 32, count=3, stride=2))
        self.block_4 = nn.Sequential(*inverted_residuals(32, 64, count=4, stride=2))
        self.block_5 = nn.Sequential(*inverted_residuals(64, 96, count=3, stride=1))
        self.block_6 = nn.Sequential(*inverted_residuals(96, 160, count=3, stride=2))
        self.block_7 = InvertedResidual(160, 320, stride=1, expansion=6)

    def forward(self, image: Tensor) -> _Scales:
        """N,3,H,W to its maps; H and W are multiples of 16."""
        s1 = self.block_1(self.head_conv(image))
        s2 = self.block_2(s1)
        s3 = self.block_3(s2)
        s4 = self.block_5(self.block_4(s3))
        return _Scales(s1, s2, s3, s4, s5=self.block_7(self.block_6(s4)))


class TNet(nn.Module):
    """Trimap generation (section 4.1): background, foreground and unknown for each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.feature = Encoder()
        self.s5_up_conv = _up_conv(320, 96)
        self.s4_fusion = _fusion(96)
        self.s4_up_conv = _up_conv(96, 32)
        self.s3_fusion = _fusion(32)
        self.s3_up_conv = _up_conv(32, 24)
        self.s2_fusion = _fusion(24)
        self.s2_up_conv = _up_conv(24, 16)
        self.s1_fusion = _fusion(16)
        self.last_conv = nn.Conv2d(16, 3, 3, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """N,3,H,W to logits, N,3,H,W."""
        scales = self.feature(image)
        x = self.s4_fusion(self.s5_up_conv(scales.s5) + scales.s4)
        x = self.s3_fusion(self.s4_up_conv(x) + scales.s3)
        x = self.s2_fusion(self.s3_up_conv(x) + scales.s2)
        x = self.s1_fusion(self.s2_up_conv(x) + scales.s1)
        logits: Tensor = self.last_conv(x)
        return logits


class MNet(nn.Module):
    """Matting (section 4.2): raw alpha from the photo and the trimap."""

    def __init__(self) -> None:
        super().__init__()
        self.en_conv_bn_relu_1 = _conv_bn_relu(6, 16, bias=False)
        self.en_conv_bn_relu_2 = _conv_bn_relu(16, 32, bias=False)
        self.en_conv_bn_relu_3 = _conv_bn_relu(32, 64, bias=False)
        self.en_conv_bn_relu_4 = _conv_bn_relu(64, 128, bias=False)
        self.en_conv_bn_relu_5 = _conv_bn_relu(128, 128, bias=False)  # in files, never used
        self.de_conv_bn_relu_1 = _conv_bn_relu(128, 128, bias=False)
        self.deconv_1 = _deconv(128)
        self.de_conv_bn_relu_2 = _conv_bn_relu(128, 64, bias=False)
        self.deconv_2 = _deconv(64)
        self.de_conv_bn_relu_3 = _conv_bn_relu(64, 32, bias=False)
        self.deconv_3 = _deconv(32)
        self.de_conv_bn_relu_4 = _conv_bn_relu(32, 16, bias=False)
        self.deconv_4 = _deconv(16)
        self.conv = nn.Conv2d(16, 1, 5, padding=2, bias=False)

    def forward(self, image_and_shares: Tensor) -> Tensor:
        """N,6,H,W to raw alpha, N,1,H,W."""
        x = _halve(self.en_conv_bn_relu_1(image_and_shares))
        x = _halve(self.en_conv_bn_relu_2(x))
        x = _halve(self.en_conv_bn_relu_3(x))
        x = _halve(self.en_conv_bn_relu_4(x))
        x = self.deconv_1(self.de_conv_bn_relu_1(x))
        x = self.deconv_2(self.de_conv_bn_relu_2(x))
        x = self.deconv_3(self.de_conv_bn_relu_3(x))
        x = self.deconv_4(self.de_conv_bn_relu_4(x))
        alpha_r: Tensor = self.conv(x)
        return alpha_r


class SHM(MattingModel):
    """T-Net, M-Net and their fusion; 3,263,315 parameters.

    Args:
        class_order: which channels the fusion takes for foreground and unknown. Published files
            do not say; a network in the order of the labels says so in its state dict.
        mean: blue, green and red levels to subtract from a photo.
    """

    def __init__(
        self,
        class_order: ClassOrder = "published",
        mean: tuple[float, float, float] = TEST_MEAN,
    ) -> None:
        super().__init__()
        self.foreground, self.unknown = (2, 1) if class_order == "labels" else (1, 2)
        if class_order == "labels":
            self.register_buffer(_LABELS_KEY, torch.tensor(True))
        self.normalise = Normalise(tuple(level / 255 for level in mean), std=(1.0, 1.0, 1.0))
        self.t_net = TNet()
        self.m_net = MNet()

    @classmethod
    def fresh(cls, variant: str = "") -> Self:
        """A network with random weights, in the order of the labels."""
        return cls(class_order="labels")

    @classmethod
    def from_state(
        cls, state: Mapping[str, Tensor], *, mean: tuple[float, float, float] = TEST_MEAN
    ) -> Self:
        """A network with the tensors of ``state``; the published class order unless it says else.

        Raises:
            CheckpointError: the keys or shapes do not fit.
        """
        network = cls("labels" if _LABELS_KEY in state else "published", mean)
        load_strictly(network, state)
        return network

    def forward(self, image: Tensor) -> SHMOutput:
        """Trimap and alpha of a photo.

        Args:
            image: N,3,H,W, **BGR**, ``(level - mean) / 255``; H and W are multiples of 16.
        """
        trimap = self.t_net(image)
        shares = at_least_float32(trimap).softmax(dim=1)
        alpha_r = self.m_net(torch.cat((image, shares), dim=1))
        return SHMOutput(trimap, shares, alpha_r, alpha_p=self.fuse(shares, alpha_r))

    def fuse(self, shares: Tensor, alpha_r: Tensor) -> Tensor:
        """Foreground counts whole, unknown with M-Net's alpha (section 4.3, equation 2).

        Args:
            shares: N,3,H,W, 0..1.
            alpha_r: N,1,H,W.

        Returns:
            N,1,H,W, not clipped.
        """
        foreground = shares[:, self.foreground : self.foreground + 1]
        unknown = shares[:, self.unknown : self.unknown + 1]
        return foreground + unknown * at_least_float32(alpha_r)

    def estimate(self, inputs: ModelInput) -> Estimate:
        """Alpha of a batch of photos; sides are multiples of 16."""
        image = self.normalise(inputs.src.flip(1))
        return Estimate(pha=self(image).alpha_p.clamp(0, 1))


def _conv_bn_relu(in_channels: int, out_channels: int, *, bias: bool) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    )


def _up_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    enlarge = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return nn.Sequential(enlarge, *_conv_bn_relu(in_channels, out_channels, bias=True))


def _fusion(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.BatchNorm2d(channels))


def _deconv(channels: int) -> nn.ConvTranspose2d:
    """Doubles the size exactly."""
    return nn.ConvTranspose2d(channels, channels, 5, 2, padding=2, output_padding=1, bias=False)


def _halve(x: Tensor) -> Tensor:
    return F.max_pool2d(x, kernel_size=3, stride=2, padding=1)
