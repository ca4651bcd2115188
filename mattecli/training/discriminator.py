"""The discriminator of Background Matting's self-supervised stage."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["PatchDiscriminator"]


class PatchDiscriminator(nn.Module):
    """Judges overlapping patches of a picture (Isola et al., PatchGAN, CVPR 2017, section 3.2).

    2,764,737 parameters; names as in the published training files.
    """

    def __init__(self) -> None:
        super().__init__()
        self.layer0 = nn.Sequential(
            nn.Conv2d(3, 64, 4, stride=2, padding=2),
            nn.LeakyReLU(0.2, inplace=True),
            *_conv_norm(64, 128, stride=2),
            *_conv_norm(128, 256, stride=2),
            *_conv_norm(256, 512, stride=1),
            nn.Conv2d(512, 1, 4, padding=2),
        )

    def forward(self, image: Tensor) -> Tensor:
        """N,3,H,W, -1..1, to one verdict a patch, N,1,h,w: about 1 for true, 0 for composed."""
        verdict: Tensor = self.layer0(image)
        return verdict


def _conv_norm(in_channels: int, out_channels: int, stride: int) -> tuple[nn.Module, ...]:
    return (
        nn.Conv2d(in_channels, out_channels, 4, stride=stride, padding=2),
        nn.InstanceNorm2d(out_channels),
        nn.LeakyReLU(0.2, inplace=True),
    )
