"""Training MODNet: pictures, losses and validation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.modnet import MODNet
from mattecli.records import Array, Size
from mattecli.training.backbone import modnet_backbone, read_encoder
from mattecli.training.enlarged import convolve_before_enlarging
from mattecli.training.fused_norm import fuse_norms
from mattecli.training.held_out import HeldOut, SizedMatting
from mattecli.training.losses.modnet import Predictions, semantic_losses, supervised_losses
from mattecli.training.recipe import Phase
from mattecli.training.scenes import Mix, make_scene
from mattecli.training.store import PictureStore
from mattecli.training.system import Batch, Moment, Panel, Sampler, System, full_precision
from mattecli.training.trimaps import modnet_trimap

__all__ = ["MULTIPLE", "SHORT_SIDE", "MODNetSystem", "modnet_matting"]

SHORT_SIDE, MULTIPLE = 512, 32
"""The short side at which the network sees a photo by default, and what sides are multiples of."""


class ScenesWithTrimaps(Sampler):
    """Composed scenes with MODNet's trimaps: ``image``, ``alpha``, ``trimap``.

    Args:
        store: labelled photos and backgrounds.
        mix: kinds of pictures.
    """

    def __init__(self, store: PictureStore, mix: Mix) -> None:
        self._store = store
        self._mix = mix

    def sample(self, phase: Phase, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """One scene; all levels."""
        scene = make_scene(self._store, size, self._mix.during(phase), rng)
        trimap = modnet_trimap(scene.alpha, min(size))
        return {"image": scene.image, "alpha": scene.alpha, "trimap": trimap}


class MODNetSystem(System):
    """MODNet on composed portraits (Ke et al., AAAI 2022, section 3).

    Args:
        store: labelled photos and backgrounds to train on.
        held_out: folder with ``image`` and ``alpha`` for validation, if there is one.
        backbone: a trained MobileNetV2: ImageNet's, or the one that MODNet's authors published.
    """

    name = "modnet"

    def __init__(
        self,
        store: PictureStore,
        held_out: Path | None = None,
        backbone: Path | None = None,
    ) -> None:
        self._store = store
        self._held_out = HeldOut(held_out)
        self._backbone = backbone

    def network(self, seed: int) -> nn.Module:
        """MODNet with fresh weights, its norms in their fast form."""
        torch.manual_seed(seed)
        network = MODNet()
        pretrained = read_encoder(self._backbone, modnet_backbone) if self._backbone else None
        network.initialise_for_training(pretrained)
        fuse_norms(network)
        return network

    def quicken(self, network: nn.Module) -> None:
        """Compute the largest convolution with less arithmetic, too."""
        super().quicken(network)
        assert isinstance(network, MODNet)
        convolve_before_enlarging(network)

    def sampler(self) -> Sampler:
        """Scenes from the store."""
        return ScenesWithTrimaps(self._store, Mix())

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """The three supervised terms; only the semantic branch's while that is trained alone."""
        assert isinstance(network, MODNet)
        image = batch["image"].float().div_(127.5).sub_(1)
        image = image.contiguous(memory_format=torch.channels_last)
        alpha = batch["alpha"].float().div_(255)
        if _semantic_alone(moment.phase):
            semantic = _semantic(network, image)
            with full_precision(image):
                return semantic_losses(semantic, alpha)
        trimap = _trimap_shares(batch["trimap"])
        out = network(image, inference=False)
        predicted = Predictions(out.semantic.float(), out.detail.float(), out.matte.float())
        with full_precision(image):
            return supervised_losses(predicted, image, alpha, trimap)

    def evaluate(
        self, state: Mapping[str, Tensor], phase: Phase, *, thorough: bool
    ) -> dict[str, float]:
        """Figures of ``HeldOut``, the network seeing photos as the product shows them.

        They are of the coarse alpha while the semantic branch is trained alone.
        """
        matting = _semantic_matting if _semantic_alone(phase) else modnet_matting
        applied = matting(state, self.short_side(SHORT_SIDE))
        return self._held_out.figures(applied, thorough=thorough)

    def panels(self, state: Mapping[str, Tensor]) -> list[Panel]:
        """Held-out photos, their mattes, and the truth."""
        return self._held_out.panels(modnet_matting(state, self.short_side(SHORT_SIDE)))


def _semantic_alone(phase: Phase) -> bool:
    """Whether the semantic branch is trained alone, so that the others need not be computed."""
    return phase.rests("f_branch.")


def _semantic(network: MODNet, image: Tensor) -> Tensor:
    """The coarse alpha, N,1,H/16,W/16 float32, without computing the other branches."""
    features = network.backbone(image)
    coarse: Tensor = network.lr_branch.semantic(network.lr_branch(features.enc32x))
    return coarse.float()


def _trimap_shares(levels: Tensor) -> Tensor:
    """0, 128 and 255 as 0, 0.5 and 1."""
    return levels.float().div_(127.5).round_().div_(2)


def modnet_matting(state: Mapping[str, Tensor], short_side: int = SHORT_SIDE) -> SizedMatting:
    """A trained network that sees photos at ``short_side`` pixels."""
    return _applied(state, lambda network, image: network(image).matte, short_side)


def _semantic_matting(state: Mapping[str, Tensor], short_side: int) -> SizedMatting:
    """A trained network's coarse alpha of photos."""
    return _applied(
        state,
        lambda network, image: F.interpolate(
            _semantic(network, image), scale_factor=16, mode="bilinear"
        ),
        short_side,
    )


def _applied(
    state: Mapping[str, Tensor],
    matte: Callable[[MODNet, Tensor], Tensor],
    short_side: int,
) -> SizedMatting:
    network = MODNet.from_state(state).eval()
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's hints lack it

    @torch.inference_mode()
    def run(levels: Tensor) -> Tensor:
        image = levels.div(127.5).sub(1)
        return matte(network, image.contiguous(memory_format=torch.channels_last))

    return SizedMatting(run, short_side, MULTIPLE)
