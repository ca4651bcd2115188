"""MobileNetV2 as an encoder, with MODNet's key names."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from mattecli.models.parts.inverted_residual import InvertedResidual, inverted_residuals

__all__ = ["Features", "MobileNetV2"]


@dataclass(frozen=True, slots=True)
class Features:
    """The maps at 1/2 (16 channels), 1/4 (24) and 1/32 (1280) of the size."""

    enc2x: Tensor
    enc4x: Tensor
    enc32x: Tensor


class MobileNetV2(nn.Module):
    """MobileNetV2 of width 1 without its classifier (Sandler et al., CVPR 2018, table 2)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            _conv_bn_relu6(3, 32, kernel=3, stride=2),
            InvertedResidual(32, 16, stride=1, expansion=1),
            *inverted_residuals(16, 24, count=2, stride=2),
            *inverted_residuals(24, 32, count=3, stride=2),
            *inverted_residuals(32, 64, count=4, stride=2),
            *inverted_residuals(64, 96, count=3, stride=1),
            *inverted_residuals(96, 160, count=3, stride=2),
            *inverted_residuals(160, 320, count=1, stride=1),
            _conv_bn_relu6(320, 1280, kernel=1, stride=1),
        )

    def forward(self, image: Tensor) -> Features:
        """N,3,H,W to its maps; H and W are multiples of 32."""
        enc2x = self.features[:2](image)
        enc4x = self.features[2:4](enc2x)
        return Features(enc2x, enc4x, enc32x=self.features[4:](enc4x))


def _conv_bn_relu6(
    in_channels: int, out_channels: int, *, kernel: int, stride: int
) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU6(inplace=True),
    )
