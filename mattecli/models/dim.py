"""Deep Image Matting: alpha from a photo and a trimap, with VGG-16 as encoder.

Xu et al., "Deep Image Matting", CVPR 2017, arXiv 1703.03872. Its authors published neither code nor
weights; the network is that of a re-implementation whose published files come in several
generations. Layers are named as in VGG-16 (``conv``) and for its mirror image (``deconv``, which
are plain convolutions).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.errors import CheckpointError
from mattecli.models.base import Estimate, MattingModel, ModelInput, load_strictly
from mattecli.models.parts.index_pooling import Switches, pool, unpool
from mattecli.models.parts.normalise import IMAGENET_MEAN, IMAGENET_STD, Normalise
from mattecli.models.parts.precision import sigmoid

__all__ = ["DIM", "DIMOptions", "DIMOutput"]

_log = logging.getLogger(__name__)

_YES_NO = {"yes": True, "no": False}

_VGG16_LAYERS = {
    "conv1_1": 0,
    "conv1_2": 2,
    "conv2_1": 5,
    "conv2_2": 7,
    "conv3_1": 10,
    "conv3_2": 12,
    "conv3_3": 14,
    "conv4_1": 17,
    "conv4_2": 19,
    "conv4_3": 21,
    "conv5_1": 24,
    "conv5_2": 26,
    "conv5_3": 28,
}
"""Our name of each encoder convolution, and its N in ``features.N`` of a VGG-16 file."""


@dataclass(frozen=True, slots=True)
class DIMOptions:
    """What the tensors of a file do not tell.

    Attributes:
        additions: the decoder adds the encoder's maps. The file named ``skip`` (V1.5) needs it;
            v1.4's has the same names and shapes and must not have it. None: as V1.5 where conv6
            is 3x3 (from v1.4 on), without where it is 1x1.
        raw_input: the network takes BGR and trimap as levels 0..255 (v1.0 only).
    """

    additions: bool | None = None
    raw_input: bool = False

    @classmethod
    def from_text(cls, options: Mapping[str, str]) -> Self:
        """Options as a record of weights has them: ``yes`` or ``no`` by name.

        Raises:
            CheckpointError: another name or value.
        """
        known = {field.name for field in fields(cls)}
        for name, value in options.items():
            if name not in known or value not in _YES_NO:
                raise CheckpointError(
                    f"Deep Image Matting has no option {name}={value}",
                    remedy=f"give {' or '.join(sorted(known))} as yes or no",
                )
        return cls(**{name: _YES_NO[value] for name, value in options.items()})


@dataclass(frozen=True, slots=True)
class DIMOutput:
    """What the network predicts; sigmoids, 0..1.

    Attributes:
        raw: the encoder-decoder's alpha, N,1,H,W.
        refined: the refinement stage's alpha, N,1,H,W, where the network has that stage.
    """

    raw: Tensor
    refined: Tensor | None = None


@dataclass(frozen=True, slots=True)
class _Level:
    """What the encoder hands to the decoder at one scale."""

    switches: Switches
    addition: Tensor | None


class DIM(MattingModel):
    """Encoder-decoder with index pooling (section 4.1), and refinement (section 4.2).

    Args:
        options: what a file's tensors do not tell.
        conv6_kernel: 3, or 1 in files up to v1.3.
        refinement: whether there is a second stage (as in files of training stages 2 and 3).
    """

    def __init__(
        self,
        options: DIMOptions = DIMOptions(),
        *,
        conv6_kernel: int = 3,
        refinement: bool = True,
    ) -> None:
        super().__init__()
        self.additions = conv6_kernel == 3 if options.additions is None else options.additions
        self.raw_input = options.raw_input
        self.refinement = refinement
        self.normalise = Normalise(IMAGENET_MEAN, IMAGENET_STD)
        self.conv1_1 = _conv(4, 64, 3)
        self.conv1_2 = _conv(64, 64, 3)
        self.conv2_1 = _conv(64, 128, 3)
        self.conv2_2 = _conv(128, 128, 3)
        self.conv3_1 = _conv(128, 256, 3)
        self.conv3_2 = _conv(256, 256, 3)
        self.conv3_3 = _conv(256, 256, 3)
        self.conv4_1 = _conv(256, 512, 3)
        self.conv4_2 = _conv(512, 512, 3)
        self.conv4_3 = _conv(512, 512, 3)
        self.conv5_1 = _conv(512, 512, 3)
        self.conv5_2 = _conv(512, 512, 3)
        self.conv5_3 = _conv(512, 512, 3)
        self.conv6_1 = _conv(512, 512, conv6_kernel)
        self.deconv6_1 = _conv(512, 512, 1)
        self.deconv5_1 = _conv(512, 512, 5)
        self.deconv4_1 = _conv(512, 256, 5)
        self.deconv3_1 = _conv(256, 128, 5)
        self.deconv2_1 = _conv(128, 64, 5)
        self.deconv1_1 = _conv(64, 64, 5)
        self.deconv1 = _conv(64, 1, 5)
        if refinement:
            self.refine_conv1 = _conv(4, 64, 3)
            self.refine_conv2 = _conv(64, 64, 3)
            self.refine_conv3 = _conv(64, 64, 3)
            self.refine_pred = _conv(64, 1, 3)

    @classmethod
    def from_state(
        cls,
        state: Mapping[str, Tensor],
        *,
        options: DIMOptions = DIMOptions(),
    ) -> Self:
        """A network with the tensors of ``state``; the refinement and conv6 are sized from it.

        Raises:
            CheckpointError: the keys or shapes do not fit.
        """
        kernel = _conv6_kernel(state)
        network = cls(options, conv6_kernel=kernel, refinement="refine_pred.weight" in state)
        load_strictly(network, state)
        _log.info(
            "DIM: conv6 is %dx%d, the decoder %s, refinement %s",
            kernel,
            kernel,
            "adds the encoder's maps" if network.additions else "adds nothing",
            "on" if network.refinement else "absent",
        )
        return network

    @classmethod
    def from_stored(cls, state: Mapping[str, Tensor], options: Mapping[str, str]) -> Self:
        """As `from_state`; ``additions`` and ``raw_input`` are known, each ``yes`` or ``no``."""
        return cls.from_state(state, options=DIMOptions.from_text(options))

    def forward(self, photo_and_trimap: Tensor) -> DIMOutput:
        """Raw and, where the network has the stage, refined alpha.

        Args:
            photo_and_trimap: N,4,H,W; red, green, blue normalised as for ImageNet, and the trimap
                0..1 (levels 0..255 in the order BGR and trimap for ``raw_input``). H and W are
                multiples of 32.
        """
        levels, bottom = self._encode(photo_and_trimap)
        logit = self._decode(levels, bottom)
        raw = sigmoid(logit)
        if not self.refinement:
            return DIMOutput(raw)
        residual = self._refine(torch.cat((photo_and_trimap[:, :3], raw), dim=1))
        return DIMOutput(raw, sigmoid(logit + residual))

    def estimate(self, inputs: ModelInput) -> Estimate:
        """Alpha of a batch of photos with trimaps, the refined one where there is one.

        Raises:
            ValueError: the trimap is missing.
        """
        if inputs.trimap is None:
            raise ValueError("Deep Image Matting needs a trimap")
        if self.raw_input:
            seen = torch.cat((inputs.src.flip(1), inputs.trimap), dim=1) * 255
        else:
            seen = torch.cat((self.normalise(inputs.src), inputs.trimap), dim=1)
        output: DIMOutput = self(seen)
        return Estimate(pha=output.raw if output.refined is None else output.refined)

    def initialise_for_training(self, vgg16: Mapping[str, Tensor] | None = None) -> None:
        """Fresh weights: Xavier for the convolutions, then the encoder's own where given.

        Args:
            vgg16: a pretrained VGG-16, keys ``features.N.weight`` and ``.bias``; others are
                ignored. The trimap's channel starts at zero. Or the same with this network's names
                and four channels, as the published reimplementation prepares it.

        Raises:
            CheckpointError: an encoder layer is missing or has another shape.
        """
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()
                nn.init.xavier_normal_(module.weight)
        if vgg16 is not None:
            load_strictly(self, {**self.state_dict(), **_encoder_from_vgg16(vgg16)})

    def _encode(self, x: Tensor) -> tuple[list[_Level], Tensor]:
        stages = (
            (self.conv1_1, self.conv1_2),
            (self.conv2_1, self.conv2_2),
            (self.conv3_1, self.conv3_2, self.conv3_3),
            (self.conv4_1, self.conv4_2, self.conv4_3),
            (self.conv5_1, self.conv5_2, self.conv5_3),
        )
        levels: list[_Level] = []
        for stage in stages:
            for convolution in stage:
                x = _relu(convolution(x))
            maxima, switches = pool(x)
            levels.append(_Level(switches, addition=x if self.additions else None))
            x = maxima
        return levels, _relu(self.conv6_1(x))

    def _decode(self, levels: list[_Level], x: Tensor) -> Tensor:
        steps = (self.deconv6_1, self.deconv5_1, self.deconv4_1, self.deconv3_1, self.deconv2_1)
        for convolution in steps:
            level = levels.pop()
            x = unpool(_relu(convolution(x)), level.switches)
            if level.addition is not None:
                x = x + level.addition
        logit: Tensor = self.deconv1(_relu(self.deconv1_1(x)))
        return logit

    def _refine(self, photo_and_raw: Tensor) -> Tensor:
        x = photo_and_raw
        for convolution in (self.refine_conv1, self.refine_conv2, self.refine_conv3):
            x = _relu(convolution(x))
        residual: Tensor = self.refine_pred(x)
        return residual


def _conv6_kernel(state: Mapping[str, Tensor]) -> int:
    weight = state.get("conv6_1.weight")
    if weight is None:
        raise CheckpointError("entries are missing: conv6_1.weight")
    for kernel in (3, 1):
        if weight.shape == (512, 512, kernel, kernel):
            return kernel
    raise CheckpointError(f"entries have another shape: conv6_1.weight is {tuple(weight.shape)}")


def _conv(in_channels: int, out_channels: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, kernel, padding=kernel // 2)


def _relu(x: Tensor) -> Tensor:
    return F.relu(x, inplace=True)


def _encoder_from_vgg16(vgg16: Mapping[str, Tensor]) -> dict[str, Tensor]:
    is_prepared = "conv1_1.weight" in vgg16
    encoder: dict[str, Tensor] = {}
    for name, layer in _VGG16_LAYERS.items():
        for kind in ("weight", "bias"):
            key = f"{name}.{kind}" if is_prepared else f"features.{layer}.{kind}"
            if key not in vgg16:
                raise CheckpointError(f"entries are missing: {key}")
            encoder[f"{name}.{kind}"] = vgg16[key]
    if is_prepared:
        return encoder
    first = encoder["conv1_1.weight"]
    encoder["conv1_1.weight"] = torch.cat((first, torch.zeros_like(first[:, :1])), dim=1)
    return encoder
