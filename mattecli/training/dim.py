"""Training Deep Image Matting: encoder-decoder, refinement, both together.

Xu et al., CVPR 2017, sections 3.3 and 4.2; network, losses and constants are those of a published
reimplementation.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mattecli.models.checkpoint import read_checkpoint
from mattecli.models.dim import DIM
from mattecli.ops.trimap import UNKNOWN
from mattecli.records import Array, Size
from mattecli.training.composites import Cut, resized_cut, still_composite
from mattecli.training.losses.dim import (
    Composition,
    alpha_loss,
    joint_loss,
    stage0_loss,
    stage1_loss,
)
from mattecli.training.recipe import Phase
from mattecli.training.store import PictureStore
from mattecli.training.system import Batch, Moment, Sampler, System
from mattecli.training.trimaps import dim_trimap

__all__ = ["DIMSystem"]

_CROPS = (1.0, 1.5, 2.0)  # 320, 480 and 640 pixels for a network of 320
_REFINED_PHASES = ("refine", "joint")


class UnknownCrops(Sampler):
    """Squares around unknown pixels: ``image``, ``foreground``, ``background``, ``alpha``,
    ``trimap``.

    Args:
        store: labelled photos and backgrounds.
    """

    def __init__(self, store: PictureStore) -> None:
        self._store = store

    def sample(self, phase: Phase, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """One square of ``size.width``; all levels."""
        del phase
        side = int(size.width * rng.choice(_CROPS))
        whole = still_composite(self._store, rng, least=side)
        part = resized_cut(whole, Cut.around_unknown(whole.alpha, side, rng), size.width)
        kernel, iterations = int(rng.integers(2, 5)), int(rng.integers(5, 15))
        return {
            "image": part.image,
            "foreground": part.foreground,
            "background": part.background,
            "alpha": part.alpha,
            "trimap": dim_trimap(part.alpha, kernel, iterations),
        }


class DIMSystem(System):
    """Deep Image Matting with refinement.

    The phase ``alpha`` trains the encoder-decoder with the alpha loss alone, ``matting`` with the
    compositional loss too, ``refine`` the refinement alone, ``joint`` everything.

    Args:
        store: labelled photos and backgrounds.
        vgg16: VGG-16 trained on ImageNet, as safetensors with torchvision's names, or None.
    """

    name = "dim"
    later = ("refine_",)

    def __init__(self, store: PictureStore, vgg16: Path | None = None) -> None:
        self._store = store
        self._vgg16 = vgg16

    def network(self, seed: int) -> nn.Module:
        """Fresh weights; the encoder's are VGG-16's, where that is given."""
        torch.manual_seed(seed)
        network = DIM()
        vgg16 = read_checkpoint(self._vgg16).state if self._vgg16 else None
        network.initialise_for_training(vgg16)
        return network

    def sampler(self) -> Sampler:
        """Squares around unknown pixels."""
        return UnknownCrops(self._store)

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """The loss of the phase."""
        assert isinstance(network, DIM)
        image, trimap = batch["image"].float(), batch["trimap"].float() / 255
        seen = torch.cat((network.normalise(image / 255), trimap), dim=1)
        out = network(seen)
        raw, alpha = out.raw.float(), batch["alpha"].float() / 255
        unknown = (batch["trimap"] == UNKNOWN).float()
        name = moment.phase.name
        if name == "alpha":
            return {"alpha": stage0_loss(raw, alpha, unknown)}
        refined = out.refined.float()
        if name == "refine":
            return {"refined": alpha_loss(refined, alpha, unknown)}
        made_of = Composition(image, batch["foreground"].float(), batch["background"].float())
        loss = stage1_loss(raw, alpha, made_of, unknown)
        if name == "joint":
            return {"joint": joint_loss(loss, refined, alpha, unknown)}
        return {"matting": loss}

    def exported(self, state: Mapping[str, Tensor], phase: Phase) -> dict[str, Tensor]:
        """Without the refinement until a phase has trained it."""
        trained = phase.name in _REFINED_PHASES
        return {key: v for key, v in state.items() if trained or not key.startswith("refine_")}
