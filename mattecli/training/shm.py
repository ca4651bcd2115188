"""Training Semantic Human Matting: the trimap network, the matting network, both together.

Chen et al., ACM MM 2018, section 5.1, with the reference's losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.base import load_strictly
from mattecli.models.shm import SHM
from mattecli.ops.trimap import UNKNOWN
from mattecli.records import Array, Size
from mattecli.training.backbone import read_encoder, shm_backbone
from mattecli.training.composites import Composite, Cut, resized_cut
from mattecli.training.held_out import HeldOut, SizedMatting
from mattecli.training.losses.shm import (
    alpha_loss,
    composition_loss,
    end_to_end_loss,
    trimap_loss,
)
from mattecli.training.recipe import Phase
from mattecli.training.scenes import Mix, make_scene
from mattecli.training.store import PictureStore
from mattecli.training.system import Batch, Moment, Panel, Sampler, System
from mattecli.training.trimaps import shm_trimap

__all__ = ["SHMSystem"]

_BAND = 10  # side of the ellipse that makes the unknown region, pixels
_SURE = 12  # levels from 0 and 255 within which alpha is taken as certain
_SHORT_SIDE, _MULTIPLE = 320, 16  # of a photo in validation, pixels
_CLOSER = 1.5  # the matting phase sees a part of a scene that is so much larger


class ScenesWithClasses(Sampler):
    """Composed scenes, or parts around unknown pixels: ``image``, ``alpha``, ``trimap``.

    Args:
        store: labelled photos and backgrounds.
        mix: kinds of pictures.
    """

    def __init__(self, store: PictureStore, mix: Mix) -> None:
        self._store = store
        self._mix = mix

    def sample(self, phase: Phase, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """One picture; all levels."""
        mix = self._mix.during(phase)
        if _matting_alone(phase):
            image, alpha = self._detail(size.width, mix, rng)
        else:
            scene = make_scene(self._store, size, mix, rng)
            image, alpha = scene.image, scene.alpha
        trimap = shm_trimap(((alpha >= 128) * 255).astype(np.uint8), _BAND)
        trimap[(alpha > _SURE) & (alpha < 255 - _SURE)] = UNKNOWN
        return {"image": image, "alpha": alpha, "trimap": trimap}

    def _detail(self, side: int, mix: Mix, rng: np.random.Generator) -> tuple[Array, Array]:
        large = int(side * _CLOSER)
        scene = make_scene(self._store, Size(large, large), mix, rng)
        cut = Cut.around_unknown(scene.alpha, side, rng)
        whole = Composite(scene.image, scene.image, scene.image, scene.alpha)
        part = resized_cut(whole, cut, side)
        return part.image, part.alpha


class SHMSystem(System):
    """Trains T-Net while M-Net rests, M-Net on true trimaps while T-Net rests, then both.

    Args:
        store: labelled photos and backgrounds.
        held_out: folder of labelled photos for validation, if there is one.
        backbone: MobileNetV2 trained on ImageNet, as safetensors with torchvision's names, or a
            MODNet, whose encoder has the same shapes.
    """

    name = "shm"

    def __init__(
        self, store: PictureStore, held_out: Path | None = None, backbone: Path | None = None
    ) -> None:
        self._store = store
        self._held_out = HeldOut(held_out)
        self._backbone = backbone

    def network(self, seed: int) -> nn.Module:
        """Fresh weights, in the class order of the labels; T-Net's encoder from the backbone,
        where one is given.
        """
        torch.manual_seed(seed)
        network = SHM.fresh()
        if self._backbone is not None:
            encoder = network.t_net.feature
            pretrained = read_encoder(self._backbone, shm_backbone)
            load_strictly(encoder, encoder.state_dict() | pretrained)
        return network

    def sampler(self) -> Sampler:
        """Scenes from the store."""
        return ScenesWithClasses(self._store, Mix())

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """The terms of the phase."""
        assert isinstance(network, SHM)
        image = network.normalise(batch["image"].float().flip(1) / 255)
        alpha = batch["alpha"].float() / 255
        classes = torch.round(batch["trimap"].float() / 127.5)
        if _trimap_alone(moment.phase):
            return {"trimap": trimap_loss(network.t_net(image).float(), classes)}
        if _matting_alone(moment.phase):
            shares = F.one_hot(classes[:, 0].long(), 3).permute(0, 3, 1, 2).float()
            alpha_r = network.m_net(torch.cat((image, shares), dim=1))
            return {"prediction": _prediction(network.fuse(shares, alpha_r), alpha, image)}
        out = network(image)
        prediction = _prediction(out.alpha_p, alpha, image)
        trimap = trimap_loss(out.trimap.float(), classes)
        return {"joint": end_to_end_loss(prediction, trimap)}

    def evaluate(
        self, state: Mapping[str, Tensor], phase: Phase, *, thorough: bool
    ) -> dict[str, float]:
        """Figures of ``HeldOut``."""
        del phase
        matting = _matting(state, self.short_side(_SHORT_SIDE))
        return self._held_out.figures(matting, thorough=thorough)

    def panels(self, state: Mapping[str, Tensor]) -> list[Panel]:
        """Held-out photos, their mattes, and the truth."""
        return self._held_out.panels(_matting(state, self.short_side(_SHORT_SIDE)))


def _trimap_alone(phase: Phase) -> bool:
    """Whether M-Net rests, so that it need not be computed."""
    return phase.rests("m_net.")


def _matting_alone(phase: Phase) -> bool:
    """Whether T-Net rests, so that true trimaps take its place."""
    return phase.rests("t_net.")


def _prediction(alpha_p: Tensor, alpha: Tensor, image: Tensor) -> Tensor:
    predicted = alpha_p.float()
    colors = composition_loss(predicted, alpha, image)
    return 0.5 * alpha_loss(predicted, alpha) + 0.5 * colors


def _matting(state: Mapping[str, Tensor], short_side: int) -> SizedMatting:
    network = SHM.from_state(state).eval()

    @torch.inference_mode()
    def matte(levels: Tensor) -> Tensor:
        alpha: Tensor = network(network.normalise(levels.flip(1) / 255)).alpha_p
        return alpha.clamp(0, 1)

    return SizedMatting(matte, short_side, _MULTIPLE)
