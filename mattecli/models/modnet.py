"""MODNet: an alpha matte from one RGB portrait.

Ke et al., "MODNet: Real-Time Trimap-Free Portrait Matting via Objective Decomposition", AAAI 2022,
arXiv 2011.11961. The network is that of the paper's versions 1 and 2, to which the published
weights belong: an SE block where version 3 has its e-ASPP.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.errors import CheckpointError
from mattecli.models.base import Estimate, MattingModel, ModelInput, load_strictly
from mattecli.models.parts.mobilenetv2 import Features, MobileNetV2
from mattecli.models.parts.normalise import Normalise
from mattecli.models.parts.precision import sigmoid

__all__ = ["MODNet", "MODNetOutput", "enlarge", "shrink"]

_HR = 32  # channels of the high-resolution branch
_SECOND_BACKBONE = "lr_branch.backbone."


@dataclass(frozen=True, slots=True)
class MODNetOutput:
    """What MODNet predicts; all values are sigmoids, 0..1.

    Attributes:
        matte: alpha, N,1,H,W.
        semantic: coarse alpha, N,1,H/16,W/16, where it was asked for.
        detail: alpha that is meant at the subject's border only, N,1,H,W, where it was asked for.
    """

    matte: Tensor
    semantic: Tensor | None = None
    detail: Tensor | None = None


class IBNorm(nn.Module):
    """Batch norm on the first half of the channels, plain instance norm on the rest."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.batch_channels = channels // 2
        self.bnorm = nn.BatchNorm2d(self.batch_channels)
        self.inorm = nn.InstanceNorm2d(channels - self.batch_channels)

    def forward(self, x: Tensor) -> Tensor:
        """N,C,H,W to the same shape."""
        batch, instance = x[:, : self.batch_channels], x[:, self.batch_channels :]
        return torch.cat((self.bnorm(batch), self.inorm(instance)), dim=1)


class Conv(nn.Module):
    """A convolution that keeps the size (or halves it), by default with IBNorm and ReLU after."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        *,
        stride: int = 1,
        plain: bool = False,
    ) -> None:
        super().__init__()
        convolution = nn.Conv2d(in_channels, out_channels, kernel, stride, padding=kernel // 2)
        after = () if plain else (IBNorm(out_channels), nn.ReLU(inplace=True))
        self.layers = nn.Sequential(convolution, *after)

    def forward(self, x: Tensor) -> Tensor:
        """N,in,H,W to N,out,H/stride,W/stride."""
        y: Tensor = self.layers(x)
        return y


class SEBlock(nn.Module):
    """Weights each channel by the picture as a whole (squeeze and excitation)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(channels, squeezed, bias=False),
            nn.ReLU(inplace=True),
            nn.Linear(squeezed, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """N,C,H,W to the same shape."""
        weights: Tensor = self.fc(x.mean(dim=(2, 3)))
        return x * weights[:, :, None, None]


class Backbone(nn.Module):
    """The encoder under the name that published files give it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = MobileNetV2()

    def forward(self, image: Tensor) -> Features:
        """N,3,H,W to its maps at 1/2, 1/4 and 1/32."""
        features: Features = self.model(image)
        return features


class LowResolutionBranch(nn.Module):
    """Semantic estimation (section 3.2): where the subject is, at 1/8 of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.se_block = SEBlock(1280, squeezed=320)
        self.conv_lr16x = Conv(1280, 96, 5)
        self.conv_lr8x = Conv(96, 32, 5)
        self.conv_lr = Conv(32, 1, 3, stride=2, plain=True)

    def forward(self, enc32x: Tensor) -> Tensor:
        """N,1280,H/32,W/32 to N,32,H/8,W/8."""
        lr16x = self.conv_lr16x(enlarge(self.se_block(enc32x)))
        lr8x: Tensor = self.conv_lr8x(enlarge(lr16x))
        return lr8x

    def semantic(self, lr8x: Tensor) -> Tensor:
        """N,32,H/8,W/8 to the coarse alpha, N,1,H/16,W/16."""
        return sigmoid(self.conv_lr(lr8x))


class HighResolutionBranch(nn.Module):
    """Detail prediction (section 3.3): the border of the subject, at 1/2 of the size."""

    def __init__(self) -> None:
        super().__init__()
        self.tohr_enc2x = Conv(16, _HR, 1)
        self.conv_enc2x = Conv(_HR + 3, _HR, 3, stride=2)
        self.tohr_enc4x = Conv(24, _HR, 1)
        self.conv_enc4x = Conv(2 * _HR, 2 * _HR, 3)
        self.conv_hr4x = nn.Sequential(
            Conv(3 * _HR + 3, 2 * _HR, 3), Conv(2 * _HR, 2 * _HR, 3), Conv(2 * _HR, _HR, 3)
        )
        self.conv_hr2x = nn.Sequential(
            Conv(2 * _HR, 2 * _HR, 3), Conv(2 * _HR, _HR, 3), Conv(_HR, _HR, 3), Conv(_HR, _HR, 3)
        )
        self.conv_hr = nn.Sequential(Conv(_HR + 3, _HR, 3), Conv(_HR, 1, 1, plain=True))

    def forward(self, image: Tensor, enc2x: Tensor, enc4x: Tensor, lr8x: Tensor) -> Tensor:
        """The photo and the maps at 1/2, 1/4 and 1/8 to N,32,H/2,W/2."""
        enc2x = self.tohr_enc2x(enc2x)
        enc4x = self.tohr_enc4x(enc4x)
        hr4x = self.conv_enc2x(torch.cat((shrink(image, 2), enc2x), dim=1))
        hr4x = self.conv_enc4x(torch.cat((hr4x, enc4x), dim=1))
        hr4x = self.conv_hr4x(torch.cat((hr4x, enlarge(lr8x), shrink(image, 4)), dim=1))
        hr2x: Tensor = self.conv_hr2x(torch.cat((enlarge(hr4x), enc2x), dim=1))
        return hr2x

    def detail(self, image: Tensor, hr2x: Tensor) -> Tensor:
        """The photo and N,32,H/2,W/2 to the border's alpha, N,1,H,W."""
        return sigmoid(self.conv_hr(torch.cat((enlarge(hr2x), image), dim=1)))


class FusionBranch(nn.Module):
    """Semantic-detail fusion (section 3.4): the matte."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_lr4x = Conv(32, _HR, 5)
        self.conv_f2x = Conv(2 * _HR, _HR, 3)
        self.conv_f = nn.Sequential(Conv(_HR + 3, _HR // 2, 3), Conv(_HR // 2, 1, 1, plain=True))

    def forward(self, image: Tensor, lr8x: Tensor, hr2x: Tensor) -> Tensor:
        """The photo and the branches' maps to the matte, N,1,H,W."""
        lr4x = self.conv_lr4x(enlarge(lr8x))
        f2x = self.conv_f2x(torch.cat((enlarge(lr4x), hr2x), dim=1))
        return sigmoid(self.conv_f(torch.cat((enlarge(f2x), image), dim=1)))


class MODNet(MattingModel):
    """The three branches on one backbone; 6,487,075 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.normalise = Normalise(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
        self.backbone = Backbone()
        self.lr_branch = LowResolutionBranch()
        self.hr_branch = HighResolutionBranch()
        self.f_branch = FusionBranch()

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """A network with the tensors of ``state``, which may hold the backbone once or twice.

        Published files name every backbone tensor ``backbone.*`` and ``lr_branch.backbone.*``.

        Raises:
            CheckpointError: the two copies differ, or the keys or shapes do not fit.
        """
        network = cls()
        load_strictly(network, _with_one_backbone(state))
        return network

    def forward(self, image: Tensor, inference: bool = True) -> MODNetOutput:
        """The matte of a portrait, and what the branches predict unless ``inference`` is set.

        Args:
            image: N,3,H,W, RGB, -1..1; H and W are multiples of 32.
            inference: leave the side outputs out; the matte is the same.
        """
        features = self.backbone(image)
        lr8x = self.lr_branch(features.enc32x)
        hr2x = self.hr_branch(image, features.enc2x, features.enc4x, lr8x)
        matte = self.f_branch(image, lr8x, hr2x)
        if inference:
            return MODNetOutput(matte)
        semantic = self.lr_branch.semantic(lr8x)
        return MODNetOutput(matte, semantic, detail=self.hr_branch.detail(image, hr2x))

    def estimate(self, inputs: ModelInput) -> Estimate:
        """Alpha of a batch of portraits; sides are multiples of 32."""
        return Estimate(pha=self(self.normalise(inputs.src)).matte)

    def initialise_for_training(self, backbone: Mapping[str, Tensor] | None = None) -> None:
        """Fresh weights: Kaiming for the convolutions, then the backbone's own where given.

        Args:
            backbone: a pretrained MobileNetV2 with keys ``features.*``.

        Raises:
            CheckpointError: the backbone's keys or shapes do not fit.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm2d | nn.Linear):
                module.reset_parameters()
        if backbone is not None:
            load_strictly(self.backbone.model, backbone)


def _with_one_backbone(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """``state`` without the second copy of the backbone that published files hold.

    Raises:
        CheckpointError: there are two copies, and they are not the same.
    """
    second = {key.removeprefix("lr_branch.") for key in state if key.startswith(_SECOND_BACKBONE)}
    first = {key for key in state if key.startswith("backbone.")}
    unpaired = sorted(filter(_is_needed, first ^ second)) if first and second else []
    if unpaired:
        raise CheckpointError(f"one of its two copies of the backbone lacks {unpaired[0]}")
    single: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key.removeprefix("lr_branch.") if key.startswith(_SECOND_BACKBONE) else key
        other = single.setdefault(name, value)
        if other is not value and not torch.equal(other, value):
            raise CheckpointError(f"its two copies of {name} differ")
    return single


def _is_needed(key: str) -> bool:
    """Old files lack the counters of batch norms, which inference ignores."""
    return not key.endswith("num_batches_tracked")


def enlarge(x: Tensor) -> Tensor:
    """N,C,H,W to N,C,2H,2W, bilinearly."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def shrink(x: Tensor, factor: int) -> Tensor:
    """N,C,H,W to N,C,H/factor,W/factor, bilinearly."""
    return F.interpolate(x, scale_factor=1 / factor, mode="bilinear", align_corners=False)
