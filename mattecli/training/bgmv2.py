"""Training Background Matting V2: the base network, then all of it with the refiner.

Lin et al., CVPR 2021, section 4.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn

from mattecli.models.base import load_strictly
from mattecli.models.bgmv2 import BGMv2, RefineOptions
from mattecli.models.parts.refine_options import COARSE_FACTOR
from mattecli.records import Array, Size
from mattecli.training.backbone import bgmv2_backbone, read_encoder
from mattecli.training.crops import centre_crop
from mattecli.training.losses.bgmv2 import Coarse, Layers, base_losses, refine_losses
from mattecli.training.plate_scenes import PlateMix, make_plate_scene
from mattecli.training.recipe import Phase
from mattecli.training.store import PictureStore
from mattecli.training.system import Batch, Moment, Sampler, System, full_precision

__all__ = ["BGMv2System"]

_BASE_SCALES, _REFINE_SCALES = (0.35, 1.4), (0.3, 1.4)  # the paper's end at 1
_REFINED_SHARE = 0.2  # of the picture's cells: twice as many as in an HD picture
_COARSE_SCALES = (0.25, 0.375)  # in turn: the one for HD, and a finer one
_CELL = 16  # pixels of a refined cell


class PhotosWithPlates(Sampler):
    """Composed photos and their plates: ``src``, ``bgr``, ``fgr``, ``pha``.

    Args:
        store: labelled photos and backgrounds.
        mix: kinds of pictures.
    """

    def __init__(self, store: PictureStore, mix: PlateMix) -> None:
        self._store = store
        self._mix = mix

    def sample(self, phase: Phase, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """One photo, the centre of a square that covers it; all levels."""
        side = max(size)
        square = Size(side, side)
        scales = _BASE_SCALES if _base_alone(phase) else _REFINE_SCALES
        made = make_plate_scene(self._store, square, scales, self._mix, rng)
        layers = {"src": made.photo, "bgr": made.plate, "fgr": made.foreground, "pha": made.alpha}
        cut = {name: centre_crop(layer, size) for name, layer in layers.items()}
        return {name: np.rint(layer).astype(np.uint8) for name, layer in cut.items()}


class BGMv2System(System):
    """With MobileNetV2 as backbone; the first phases train the base, the last the refiner, too.

    Args:
        store: labelled photos and backgrounds.
        backbone: MobileNetV2 trained on ImageNet, or a DeepLabV3+ on it.
    """

    name = "bgmv2"
    later = ("refiner.",)
    options = MappingProxyType({COARSE_FACTOR: str(_COARSE_SCALES[-1] / _COARSE_SCALES[0])})

    def __init__(self, store: PictureStore, backbone: Path | None = None) -> None:
        self._store = store
        self._backbone = backbone

    def network(self, seed: int) -> nn.Module:
        """Fresh weights of both stages; the encoder's are the backbone's, where that is given."""
        torch.manual_seed(seed)
        network = BGMv2.fresh()
        network.eased = True
        if self._backbone is not None:
            pretrained = read_encoder(self._backbone, bgmv2_backbone)
            load_strictly(network, network.state_dict() | pretrained)
        return network

    def sampler(self) -> Sampler:
        """Photos with plates."""
        return PhotosWithPlates(self._store, PlateMix())

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """The terms of the phase."""
        assert isinstance(network, BGMv2)
        levels = {name: _unit(value) for name, value in batch.items()}
        true = Layers(levels["pha"], levels["fgr"])
        if _base_alone(moment.phase):
            coarse = network.base(levels["src"], levels["bgr"])
            with full_precision(true.pha):
                return base_losses(_floats(coarse.pha, coarse.fgr, coarse.err_sm), true)
        for part in (network.backbone, network.aspp, network.decoder):
            part.eval()  # norms keep their statistics: few large pictures are too few for new ones
        height, width = levels["src"].shape[-2:]
        cells = max(1, int(height * width * _REFINED_SHARE) // _CELL)
        options = RefineOptions(
            mode="sampling",
            backbone_scale=_COARSE_SCALES[moment.step % len(_COARSE_SCALES)],
            sample_pixels=cells * _CELL,
        )
        out = network(levels["src"], levels["bgr"], options)
        refined = Layers(out.pha.float(), out.fgr.float())
        with full_precision(true.pha):
            return refine_losses(refined, _floats(out.pha_sm, out.fgr_sm, out.err_sm), true)

    def exported(self, state: Mapping[str, Tensor], phase: Phase) -> dict[str, Tensor]:
        """Without the refiner until a phase has trained it."""
        alone = _base_alone(phase)
        return {k: v for k, v in state.items() if not (alone and k.startswith("refiner."))}


def _base_alone(phase: Phase) -> bool:
    """Whether the refiner rests, so that it need not be computed."""
    return phase.rests("refiner.")


def _unit(levels: Tensor) -> Tensor:
    return (levels.float() / 255).contiguous(memory_format=torch.channels_last)


def _floats(pha: Tensor, fgr: Tensor, err: Tensor) -> Coarse:
    return Coarse(pha.float(), fgr.float(), err.float())
