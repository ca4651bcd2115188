"""Background Matting V2: alpha and foreground from a photo and a picture of its empty background.

Lin et al., "Real-Time High-Resolution Background Matting", CVPR 2021, arXiv 2012.07810. A coarse
network looks at the whole scene at low resolution; a refiner repairs those 4x4 cells of the full
picture in which the coarse network expects an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from mattecli.errors import CheckpointError
from mattecli.models.base import Estimate, MattingModel, ModelInput, load_strictly
from mattecli.models.parts.aspp import ASPP
from mattecli.models.parts.bgmv2_decoder import Decoder
from mattecli.models.parts.bounded import bounded
from mattecli.models.parts.mobilenetv2_dilated import DilatedMobileNetV2
from mattecli.models.parts.precision import at_least_float32
from mattecli.models.parts.refine_options import (
    COARSE_FACTOR,
    RefineOptions,
    parsed_factor,
    parsed_options,
)
from mattecli.models.parts.refiner import Coarse, Refiner, Rows, resize
from mattecli.models.parts.resnet import DilatedResNet

__all__ = ["BGMv2", "BGMv2Output", "RefineOptions", "Rows", "Survey"]

Backbone = DilatedMobileNetV2 | DilatedResNet

_SHOWN, _HIDDEN = 1 + 3 + 1, 32  # channels: alpha, colours, error; hidden, for the refiner
_LAYER3_BLOCKS = {"": 0, "resnet50": 6, "resnet101": 23}
_KERNEL_SIZES = (1, 3)


@dataclass(frozen=True, slots=True)
class BGMv2Output:
    """What the network predicts; h,w is the coarse size (H,W without a refiner).

    Attributes:
        pha: alpha, N,1,H,W, 0..1.
        fgr: foreground colours, N,3,H,W, RGB, 0..1.
        pha_sm, fgr_sm: the same at the coarse size.
        err_sm: expected absolute error of ``pha_sm``, N,1,h,w, 0..1.
        hid_sm: hidden features, N,32,h,w, not negative.
        ref_sm: 1 for refined cells, else 0; N,1,H/4,W/4; None without a refiner.
    """

    pha: Tensor
    fgr: Tensor
    pha_sm: Tensor
    fgr_sm: Tensor
    err_sm: Tensor
    hid_sm: Tensor
    ref_sm: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """What the coarse network found in a whole picture.

    Attributes:
        coarse: its estimate.
        ref: 1 for cells to refine, else 0; N,1,H/4,W/4.
    """

    coarse: Coarse
    ref: Tensor


class BGMv2(MattingModel):
    """The coarse network, and the refiner where there is one.

    Args:
        backbone: the encoder, of 6 input channels.
        refiner: None gives the network of the base training stage.
        options: how to refine; None chooses by the picture's size.

    Attributes:
        options: as above; may be set at any time.
        overrides: fields of `RefineOptions` that hold whatever the picture's size.
        coarse_factor: multiplies the usual coarse size, unless `overrides` sets that.
        eased: in training mode, gradients lead values beyond 0..1 back inside, where the published
            network has none, and `base` leaves out the hidden features, which have no loss.
    """

    def __init__(
        self,
        backbone: Backbone,
        refiner: Refiner | None = None,
        options: RefineOptions | None = None,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.aspp = ASPP(backbone.out_channels)
        self.decoder = Decoder(256, (*backbone.shortcuts, 3 + 3), _SHOWN + _HIDDEN)
        self.refiner = refiner
        self.options = options
        self.overrides: dict[str, Any] = {}
        self.coarse_factor = 1.0
        self.eased = False

    @property
    def _is_eased(self) -> bool:
        return self.training and self.eased

    @classmethod
    def fresh(cls, variant: str = "") -> Self:
        """A network of both stages with random weights.

        Args:
            variant: ``""`` (MobileNetV2), ``resnet50`` or ``resnet101``.
        """
        return cls(_backbone(_LAYER3_BLOCKS[variant]), Refiner())

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor], options: RefineOptions | None = None) -> Self:
        """A network with the backbone and the refiner that ``state`` has tensors for.

        Args:
            state: flat state dict; without ``refiner.*`` it is the base stage's network.
            options: how to refine; None chooses by the picture's size.

        Raises:
            CheckpointError: keys or shapes belong to no such network.
        """
        network = cls(_backbone_of(state), _refiner_of(state), options)
        load_strictly(network, state)
        return network

    @classmethod
    def from_stored(cls, state: Mapping[str, Tensor], options: Mapping[str, str]) -> Self:
        """As `from_state`; options are the fields of `RefineOptions` and ``coarse_factor``. What is
        not given depends on the picture's size.
        """
        network = cls.from_state(state)
        fields = {name: text for name, text in options.items() if name != COARSE_FACTOR}
        network.overrides = parsed_options(fields)
        network.coarse_factor = parsed_factor(options.get(COARSE_FACTOR, "1"))
        return network

    def forward(
        self, src: Tensor, bgr: Tensor, options: RefineOptions | None = None
    ) -> BGMv2Output:
        """Alpha and foreground at full size, and the coarse estimate behind them.

        Args:
            src: photo, N,3,H,W, RGB, 0..1; H and W are multiples of 4 where there is a refiner.
            bgr: its empty background, same shape and range.
            options: how to refine; None means those of the network.
        """
        if self.refiner is None:
            return self.base(src, bgr)
        height, width = src.shape[-2:]
        options = options or self.chosen_options(width, height)
        coarse_size = self.coarse_size(width, height, options)
        src_sm, bgr_sm = resize(src, coarse_size), resize(bgr, coarse_size)
        coarse = self._coarse(src_sm, bgr_sm)
        small = self._base_output(coarse, src_sm)
        refined = self.refiner(src, bgr, coarse, options)
        return BGMv2Output(
            pha=bounded(refined.pha, eased=self._is_eased),
            fgr=bounded(refined.fres + src, eased=self._is_eased),
            pha_sm=small.pha,
            fgr_sm=small.fgr,
            err_sm=small.err_sm,
            hid_sm=small.hid_sm,
            ref_sm=refined.ref,
        )

    def chosen_options(self, width: int, height: int) -> RefineOptions:
        """How a picture of this size is refined when the caller does not say."""
        usual = RefineOptions.for_size(width, height, self.coarse_factor)
        return self.options or self.options_for(usual)

    @staticmethod
    def coarse_size(width: int, height: int, options: RefineOptions) -> tuple[int, int]:
        """Height and width of what the coarse network sees."""
        scale = options.backbone_scale
        return max(1, int(height * scale)), max(1, int(width * scale))

    def survey(self, src_sm: Tensor, bgr_sm: Tensor, size: tuple[int, int]) -> Survey:
        """The first half of ``forward``, for pictures that are refined band by band.

        Args:
            src_sm: photo at `coarse_size`, N,3,h,w, RGB, 0..1.
            bgr_sm: its empty background, same shape and range.
            size: height and width of the whole picture.
        """
        coarse = self._coarse(src_sm, bgr_sm)
        options = self.chosen_options(size[1], size[0])
        return Survey(coarse, Refiner.chosen_cells(coarse, size, options))

    def band(self, survey: Survey, src: Tensor, bgr: Tensor, rows: Rows) -> Estimate:
        """The second half of ``forward`` for some rows.

        Args:
            survey: of the whole picture.
            src: the photo's rows ``rows.with_halo``, N,3,h,W.
            bgr: likewise.
            rows: which rows are wanted.

        Raises:
            ValueError: the network has no refiner.
        """
        if self.refiner is None:
            raise ValueError("the base stage's network has nothing to refine with")
        out = self.refiner.band(src, bgr, survey.coarse, survey.ref, rows)
        above = rows.top - rows.with_halo.start
        own = src[:, :, above : above + rows.bottom - rows.top]
        return Estimate(pha=out[:, :1].clamp(0, 1), fgr=(out[:, 1:] + own).clamp(0, 1))

    def options_for(self, usual: RefineOptions) -> RefineOptions:
        """``usual``, with the fields in `overrides` replaced."""
        return replace(usual, **self.overrides)

    def base(self, src: Tensor, bgr: Tensor) -> BGMv2Output:
        """The coarse network alone, at the photo's own size: what the base stage trains.

        Args:
            src: photo, N,3,H,W, RGB, 0..1.
            bgr: its empty background, same shape and range.

        Returns:
            Without the hidden features in training mode, if the network is `eased`.
        """
        shown = _SHOWN if self._is_eased else None
        return self._base_output(self._coarse(src, bgr, shown), src)

    def estimate(self, inputs: ModelInput) -> Estimate:
        """Alpha and foreground of a batch; sides are multiples of 4.

        Raises:
            ValueError: the background plate is missing.
        """
        if inputs.bgr is None:
            raise ValueError("BGMv2 needs a background plate")
        out: BGMv2Output = self(inputs.src, inputs.bgr)
        return Estimate(pha=out.pha, fgr=out.fgr)

    def _coarse(self, src: Tensor, bgr: Tensor, shown: int | None = None) -> Coarse:
        maps = self.backbone(torch.cat((src, bgr), dim=1))
        decoded: Tensor = self.decoder(self.aspp(maps.x4), maps, shown)
        if decoded.requires_grad:
            decoded.register_hook(_channels_last)  # type: ignore[no-untyped-call] # torch leaves it untyped
        channels = at_least_float32(decoded)
        return Coarse(
            pha=bounded(channels[:, :1], eased=self._is_eased),
            fres=channels[:, 1:4],
            err=bounded(channels[:, 4:5], eased=self._is_eased),
            hid=channels[:, 5:].relu(),
        )

    def _base_output(self, coarse: Coarse, src: Tensor) -> BGMv2Output:
        fgr = bounded(coarse.fres + src, eased=self._is_eased)
        return BGMv2Output(coarse.pha, fgr, coarse.pha, fgr, coarse.err, coarse.hid)


def _channels_last(grad: Tensor) -> Tensor:
    """In the memory order of its map; else the convolution's gradient would reorder all maps."""
    return grad.contiguous(memory_format=torch.channels_last)


def _backbone_of(state: Mapping[str, Tensor]) -> Backbone:
    blocks = 0
    while f"backbone.layer3.{blocks}.conv1.weight" in state:
        blocks += 1
    if blocks == 0 and "backbone.features.0.0.weight" not in state:
        raise CheckpointError("no backbone of Background Matting V2 is in it")
    return _backbone(blocks)


def _backbone(layer3_blocks: int) -> Backbone:
    """MobileNetV2 for 0, else a ResNet with that many blocks in its third stage."""
    if layer3_blocks == 0:
        return DilatedMobileNetV2(in_channels=6)
    return DilatedResNet(in_channels=6, layer3_blocks=layer3_blocks)


def _refiner_of(state: Mapping[str, Tensor]) -> Refiner | None:
    if not any(key.startswith("refiner.") for key in state):
        return None
    weight = state.get("refiner.conv1.weight")
    if weight is None or weight.ndim != 4 or weight.shape[-1] not in _KERNEL_SIZES:
        raise CheckpointError("refiner.conv1.weight is missing or of another network")
    return Refiner(kernel_size=int(weight.shape[-1]))
