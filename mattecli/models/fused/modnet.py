"""MODNet's inference form."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.base import Estimate, MattingModel, ModelInput
from mattecli.models.fused.convolution import FusedConv, affine_of
from mattecli.models.fused.enlarged import EnlargedConv, PhasedConv
from mattecli.models.fused.folding import fold
from mattecli.models.fused.instance import moments, scale_shift_relu
from mattecli.models.modnet import Conv, IBNorm, MODNet, SEBlock, enlarge, shrink
from mattecli.models.parts.precision import at_least_float32, sigmoid

__all__ = ["FusedMODNet"]

_PHASES = 4


class FusedMODNet(MattingModel):
    """The matte of `MODNet`, computed with less arithmetic and fewer passes over memory.

    Batch norms are part of the convolutions, also those of IBNorm's first channels; its other
    channels are scaled and shifted together with the ReLU. Maps that are enlarged and then
    convolved are convolved first, where that pays. The last layers, which have few channels at full
    size, run in phases (see `PhasedConv`).

    Args:
        network: in evaluation mode; it is left alone.
    """

    def __init__(self, network: MODNet) -> None:
        super().__init__()
        low, high, fusion = network.lr_branch, network.hr_branch, network.f_branch
        self.normalise = copy.deepcopy(network.normalise)
        self.backbone = copy.deepcopy(network.backbone.model).requires_grad_(False)
        fold(self.backbone)
        self.se_block = copy.deepcopy(low.se_block).requires_grad_(False)
        self.conv_lr16x = _EnlargedIBConv(low.conv_lr16x)
        self.conv_lr8x = _IBConv(low.conv_lr8x)
        self.tohr_enc2x = _IBConv(high.tohr_enc2x)
        self.conv_enc2x = _IBConv(high.conv_enc2x)
        self.tohr_enc4x = _IBConv(high.tohr_enc4x)
        self.conv_enc4x = _IBConv(high.conv_enc4x)
        self.conv_hr4x = _in_turn(high.conv_hr4x)
        self.conv_hr2x = _in_turn(high.conv_hr2x)
        self.conv_lr4x = _IBConv(fusion.conv_lr4x)
        self.conv_f2x = _IBConv(fusion.conv_f2x)
        self.conv_f = _Last(fusion.conv_f)

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """From the published network's state.

        Raises:
            CheckpointError: the keys or shapes do not fit.
        """
        return cls(MODNet.from_state(state).eval())

    def estimate(self, inputs: ModelInput) -> Estimate:
        """Alpha of a batch of portraits; sides are multiples of 32."""
        return Estimate(pha=self(self.normalise(inputs.src)))

    def forward(self, image: Tensor) -> Tensor:
        """N,3,H,W, RGB, -1..1, to the matte, N,1,H,W, 0..1; H and W are multiples of 32."""
        maps = self.backbone(image)
        image = image.to(self.conv_f.conv.border.dtype)
        lr16x = self.conv_lr16x(_weighted(self.se_block, maps.enc32x.to(image.dtype)))
        lr8x = enlarge(self.conv_lr8x(enlarge(lr16x)))
        enc2x, enc4x = self.tohr_enc2x(maps.enc2x), self.tohr_enc4x(maps.enc4x)
        hr4x = self.conv_enc2x(_stack(_half(image), enc2x))
        hr4x = self.conv_enc4x(_stack(hr4x, enc4x))
        hr4x = self.conv_hr4x(_stack(hr4x, lr8x, shrink(image, 4)))
        hr2x = self.conv_hr2x(_stack(enlarge(hr4x), enc2x))
        f2x = self.conv_f2x(_stack(enlarge(self.conv_lr4x(lr8x)), hr2x))
        return sigmoid(_out_of_phases(self.conv_f(f2x, image)))


class _IBConv(nn.Module):
    """Convolution, IBNorm and ReLU."""

    def __init__(self, block: Conv) -> None:
        super().__init__()
        conv, norm = _parts(block)
        weight, bias = _with_batch_half(conv, norm)
        self.conv = FusedConv(weight, bias, conv)
        self.norm = _InstanceHalf(norm)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return y


class _EnlargedIBConv(nn.Module):
    """The same after an enlargement."""

    def __init__(self, block: Conv) -> None:
        super().__init__()
        conv, norm = _parts(block)
        self.conv = EnlargedConv(*_with_batch_half(conv, norm))
        self.norm = _InstanceHalf(norm)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return y


class _Last(nn.Module):
    """Fusion's last two convolutions, in phases: maps at half size to N,4,H/2,W/2 logits."""

    def __init__(self, blocks: nn.Sequential) -> None:
        super().__init__()
        first, last = blocks
        assert isinstance(first, Conv)
        assert isinstance(last, Conv)
        conv, norm = _parts(first)
        self.conv = PhasedConv(*_with_batch_half(conv, norm), full_channels=3)
        self.norm = _InstanceHalf(norm, phases=_PHASES)
        final = last.layers[0]
        assert isinstance(final, nn.Conv2d)
        assert final.bias is not None
        kernel = final.weight[0, :, 0, 0]
        weight = torch.einsum("c,ab->acb", kernel, torch.eye(_PHASES, dtype=kernel.dtype))
        like = nn.Conv2d(_PHASES * len(kernel), _PHASES, 1)
        self.logits = FusedConv(weight.reshape(_PHASES, -1, 1, 1), final.bias.repeat(_PHASES), like)

    def forward(self, x: Tensor, image: Tensor) -> Tensor:
        y: Tensor = self.logits(self.norm(self.conv(x, image)))
        return y


class _InstanceHalf(nn.Module):
    """Instance norm of the last channels, and ReLU of all.

    Args:
        norm: its batch norm is already in the convolution.
        phases: channels of the map that belong to one channel of the norm.
    """

    def __init__(self, norm: IBNorm, phases: int = 1) -> None:
        super().__init__()
        self.batch_channels = norm.batch_channels
        self.eps = norm.inorm.eps
        self.phases = phases

    def forward(self, x: Tensor) -> Tensor:
        mean, variance = moments(x)
        if self.phases > 1:
            mean, variance = self._joined(mean), self._joined(variance, spread_of=mean)
        # Rounded first, so that the offset fits the gain that is really used.
        gain = (variance + self.eps).rsqrt_().to(x.dtype).to(mean.dtype)
        offset = -mean * gain
        gain[:, : self.batch_channels] = 1
        offset[:, : self.batch_channels] = 0
        if self.phases > 1:
            gain, offset = (v.repeat_interleave(self.phases, dim=1) for v in (gain, offset))
        return scale_shift_relu(x, gain, offset)

    def _joined(self, values: Tensor, spread_of: Tensor | None = None) -> Tensor:
        """Means, or variances, of phases joined to the channel's.

        Variances need the phases' means, ``spread_of``, whose own variance is added.
        """
        joined: Tensor = values.view(len(values), -1, self.phases).mean(2)
        if spread_of is None:
            return joined
        spread: Tensor = spread_of.view(len(values), -1, self.phases).var(2, correction=0)
        return joined + spread


def _parts(block: Conv) -> tuple[nn.Conv2d, IBNorm]:
    conv, norm = block.layers[0], block.layers[1]
    assert isinstance(conv, nn.Conv2d)
    assert isinstance(norm, IBNorm)
    return conv, norm


def _with_batch_half(conv: nn.Conv2d, norm: IBNorm) -> tuple[Tensor, Tensor]:
    """The convolution's weight and bias with the batch norm in the first channels."""
    assert conv.bias is not None
    gain = torch.ones(conv.out_channels, dtype=torch.float64)
    offset = torch.zeros_like(gain)
    half = norm.batch_channels
    gain[:half], offset[:half] = affine_of(norm.bnorm)
    weight = conv.weight.detach().double() * gain[:, None, None, None]
    bias = conv.bias.detach().double() * gain + offset
    return weight.to(conv.weight.dtype), bias.to(conv.bias.dtype)


def _in_turn(blocks: nn.Sequential) -> nn.Sequential:
    return nn.Sequential(*(_IBConv(block) for block in blocks if isinstance(block, Conv)))


def _weighted(block: SEBlock, x: Tensor) -> Tensor:
    y: Tensor = block(x)
    return y


def _stack(*maps: Tensor) -> Tensor:
    return torch.cat(maps, dim=1)


def _half(image: Tensor) -> Tensor:
    """Bilinear at half the size: the mean of each 2x2 block, here as a convolution."""
    kernel = image.new_full((image.shape[1], 1, 2, 2), 0.25)
    return F.conv2d(image, kernel, stride=2, groups=image.shape[1])


def _out_of_phases(logits: Tensor) -> Tensor:
    """N,4,H,W to N,1,2H,2W, float32 at least; as ``pixel_shuffle``, moving pairs of numbers."""
    wide = at_least_float32(logits).permute(0, 2, 3, 1).contiguous()
    count, height, width, _ = wide.shape
    pairs = torch.view_as_complex(wide.view(count, height, width, 2, 2))
    rows = torch.view_as_real(pairs.transpose(2, 3).contiguous())
    return rows.reshape(count, 1, 2 * height, 2 * width)
