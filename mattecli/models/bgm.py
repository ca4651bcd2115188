"""Background Matting: alpha and foreground from a photo, its empty background and a rough mask.

Sengupta et al., "Background Matting: The World is Your Green Screen", CVPR 2020,
arXiv 2004.00626. Meant for 512x512 pixels around the subject.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from mattecli.errors import CheckpointError
from mattecli.models.base import Estimate, MattingModel, ModelInput, load_strictly

__all__ = ["BGM", "OPAQUE", "BGMOutput", "ResnetBlock"]

OPAQUE = 0.95
"""Network alpha (-1..1) above which the foreground is the photo itself (section 3)."""


@dataclass(frozen=True, slots=True)
class BGMOutput:
    """What the network predicts.

    Attributes:
        alpha: N,1,H,W, -1..1 (tanh).
        fg: foreground colours, N,3,H,W, RGB, meant as -1..1 but not limited.
    """

    alpha: Tensor
    fg: Tensor


class ResnetBlock(nn.Module):
    """Two 3x3 convolutions added to their input, without an activation after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.ReflectionPad2d(1),
            nn.Conv2d(channels, channels, 3),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """N,C,H,W to the same shape."""
        y: Tensor = self.conv_block(x)
        return x + y


class BGM(MattingModel):
    """The context-switching network (section 3.1, figure 2); 17,908,420 parameters.

    The published network has an encoder for four neighbouring frames (``model_enc_multi``) whose
    features it never uses: the block meant for them gets the background's features instead. The
    encoder's weights are kept, so that files load strictly and whole, but it is not computed.

    Args:
        n_blocks1: residual blocks that alpha and foreground share.
        n_blocks2: residual blocks of each of the two.
    """

    def __init__(self, n_blocks1: int = 7, n_blocks2: int = 3) -> None:
        super().__init__()
        self.model_enc1 = nn.Sequential(*_encoder_start(3))
        self.model_enc2 = nn.Sequential(*_conv_bn_relu(128, 256, stride=2))
        self.model_enc_back = _encoder(3)
        self.model_enc_seg = _encoder(1)
        self.model_enc_multi = _encoder(4)
        self.comb_back = nn.Sequential(*_mix(512, 64))
        self.comb_seg = nn.Sequential(*_mix(512, 64))
        self.comb_multi = nn.Sequential(*_mix(512, 64))
        self.model_res_dec = nn.Sequential(
            *_mix(256 + 3 * 64, 256), *(ResnetBlock(256) for _ in range(n_blocks1))
        )
        self.model_res_dec_al = nn.Sequential(*(ResnetBlock(256) for _ in range(n_blocks2)))
        self.model_res_dec_fg = nn.Sequential(*(ResnetBlock(256) for _ in range(n_blocks2)))
        self.model_al_out = nn.Sequential(
            *_up_conv(256, 128), *_up_conv(128, 64), *_to_picture(64, 1), nn.Tanh()
        )
        self.model_dec_fg1 = nn.Sequential(*_up_conv(256, 128))
        self.model_fg_out = nn.Sequential(*_up_conv(128 + 128, 64), *_to_picture(64, 3))

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """A network with as many residual blocks as ``state`` has.

        Raises:
            CheckpointError: keys or shapes belong to no such network.
        """
        before = 3  # the three layers that precede the shared residual blocks
        shared = _highest_block(state, "model_res_dec") + 1 - before
        network = cls(shared, _highest_block(state, "model_res_dec_al") + 1)
        load_strictly(network, state)
        return network

    def forward(self, image: Tensor, back: Tensor, seg: Tensor) -> BGMOutput:
        """Alpha and foreground.

        Args:
            image: photo, N,3,H,W, RGB, -1..1; H and W are multiples of 4.
            back: its empty background, same shape and range.
            seg: rough mask of the subject, N,1,H,W, -1..1.
        """
        half = self.model_enc1(image)
        f = self.model_enc2(half)
        b, s = self.model_enc_back(back), self.model_enc_seg(seg)
        fb = torch.cat((f, b), dim=1)
        fs = torch.cat((f, s), dim=1)
        context = (self.comb_back(fb), self.comb_seg(fs), self.comb_multi(fb))
        shared = self.model_res_dec(torch.cat((f, *context), dim=1))
        alpha = self.model_al_out(self.model_res_dec_al(shared))
        fg = self.model_dec_fg1(self.model_res_dec_fg(shared))
        return BGMOutput(alpha, fg=self.model_fg_out(torch.cat((fg, half), dim=1)))

    def estimate(self, inputs: ModelInput) -> Estimate:
        """Alpha and foreground of a batch; where alpha is nearly 1 the foreground is the photo.

        Raises:
            ValueError: the background plate or the mask is missing.
        """
        if inputs.bgr is None or inputs.seg is None:
            raise ValueError("BGM needs a background plate and a mask")
        out: BGMOutput = self(2 * inputs.src - 1, 2 * inputs.bgr - 1, 2 * inputs.seg - 1)
        fgr = torch.where(out.alpha > OPAQUE, inputs.src, (out.fg + 1) / 2)
        return Estimate(pha=((out.alpha + 1) / 2).clamp(0, 1), fgr=fgr.clamp(0, 1))


def _highest_block(state: Mapping[str, Tensor], name: str) -> int:
    pattern = re.compile(rf"{name}\.(\d+)\.conv_block\.")
    found = {int(match[1]) for match in map(pattern.match, state) if match}
    if not found or max(found) > len(found) + 2:  # a stray number must not size the network
        raise CheckpointError(f"{name} has no residual blocks in a row")
    return max(found)


def _conv_bn_relu(in_channels: int, out_channels: int, *, stride: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 3, stride, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def _encoder_start(in_channels: int) -> list[nn.Module]:
    """To 128 channels at half the size."""
    return [
        nn.ReflectionPad2d(3),
        nn.Conv2d(in_channels, 64, 7),
        nn.BatchNorm2d(64),
        nn.ReLU(inplace=True),
        *_conv_bn_relu(64, 128, stride=2),
    ]


def _encoder(in_channels: int) -> nn.Sequential:
    """To 256 channels at a quarter of the size."""
    return nn.Sequential(*_encoder_start(in_channels), *_conv_bn_relu(128, 256, stride=2))


def _mix(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(inplace=True),
    ]


def _up_conv(in_channels: int, out_channels: int) -> list[nn.Module]:
    upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    return [upsample, *_conv_bn_relu(in_channels, out_channels)]


def _to_picture(in_channels: int, out_channels: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(3), nn.Conv2d(in_channels, out_channels, 7)]
