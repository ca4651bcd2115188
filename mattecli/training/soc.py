"""Adapting MODNet to unlabelled photos: sub-objectives consistency.

Ke et al., MODNet, AAAI 2022, section 4, with the numbers of the reference's training functions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from mattecli.engine.sizes import scaled_size
from mattecli.models.modnet import MODNet, MODNetOutput
from mattecli.models.weights import SHORT_SIDE as SHORT_SIDE_OPTION
from mattecli.ops.pixels import to_levels
from mattecli.records import Array, Size
from mattecli.training.fused_norm import fuse_norms
from mattecli.training.losses.modnet import Predictions, soc_losses
from mattecli.training.modnet import MULTIPLE, SHORT_SIDE, modnet_matting
from mattecli.training.pictures import read_photo
from mattecli.training.recipe import Optimiser, Phase, Rate, Recipe
from mattecli.training.system import Batch, Moment, Panel, Sampler, System, Turn, full_precision

__all__ = ["PhotosAtNetworkSize", "SOCSystem", "soc_recipe"]

_SHOWN = 12  # photos on a sheet


def soc_recipe(photos: int, epochs: int, rate: float = 1e-5, size: int = SHORT_SIDE) -> Recipe:
    """A recipe whose epochs have as many steps as there are photos, each with one of them.

    The frozen copy is renewed with each epoch, therefore every epoch is a phase.

    Args:
        photos: how many there are.
        epochs: how many.
        rate: learning rate.
        size: shorter side that the network sees.
    """
    phases = tuple(
        Phase(
            name=f"epoch {number + 1}",
            steps=photos,
            batch=1,
            sizes=((size, size),),
            rate=Rate(peak=rate),
            factors={"frozen.": 0.0},
        )
        for number in range(epochs)
    )
    optimiser = Optimiser(kind="adam", betas=(0.9, 0.99))
    return Recipe(
        system="soc",
        phases=phases,
        optimiser=optimiser,
        average=0.0,
        log_every=5,
        save_every=50,
        sheet_every=photos * epochs,
    )


class PhotosAtNetworkSize(Sampler):
    """Unlabelled photos: ``image``.

    Args:
        photos: files.
    """

    def __init__(self, photos: Sequence[Path]) -> None:
        self._photos = list(photos)

    def sample(self, phase: Phase, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """A random photo, its shorter side that of ``size``; levels."""
        del phase
        return self._seen(int(rng.integers(len(self._photos))), size)

    def sample_of_epoch(
        self, phase: Phase, size: Size, rng: np.random.Generator, turn: Turn
    ) -> dict[str, Array]:
        """As `sample`; every photo once before any comes again."""
        del phase, rng
        order = turn.order.permutation(len(self._photos))
        return self._seen(int(order[turn.number % len(order)]), size)

    def _seen(self, number: int, size: Size) -> dict[str, Array]:
        photo = read_photo(self._photos[number])
        seen = scaled_size(Size.of(photo), min(size), MULTIPLE)
        return {"image": np.asarray(cv2.resize(photo, seen, interpolation=cv2.INTER_AREA))}


class Adaptation(nn.Module):
    """The network that adapts, and its copy from the start of the epoch."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = MODNet.from_state(state)
        self.frozen = MODNet.from_state(state).requires_grad_(False)
        fuse_norms(self)


class SOCSystem(System):
    """MODNet on photos without truth.

    Args:
        photos: files.
        weights: of the network to adapt.
        size: shorter side that the network sees.
        begun_with: what else must be the same for an adaptation to be resumed.
    """

    name = "soc"
    part = "network"

    def __init__(
        self,
        photos: Sequence[Path],
        weights: Mapping[str, Tensor],
        size: int = SHORT_SIDE,
        begun_with: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._photos = list(photos)
        self._weights = weights
        self._size = size
        self.options = {SHORT_SIDE_OPTION: str(size)}  # the size at which it will see best
        self.begun_with = {"size": str(size), "photos": str(len(self._photos)), **begun_with}

    def network(self, seed: int) -> nn.Module:
        """The network and its copy."""
        del seed
        return Adaptation(self._weights)

    def sampler(self) -> Sampler:
        """The photos."""
        return PhotosAtNetworkSize(self._photos)

    def enter(self, network: nn.Module, phase: Phase) -> None:
        """An epoch begins: renew the copy."""
        del phase
        assert isinstance(network, Adaptation)
        network.frozen.load_state_dict(network.network.state_dict())

    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """The consistency terms."""
        del moment
        assert isinstance(network, Adaptation)
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()  # one photo gives no statistics: those that were learnt stay
        image = batch["image"].float() / 127.5 - 1
        image = image.contiguous(memory_format=torch.channels_last)
        with torch.no_grad():
            frozen = _predictions(network.frozen(image, inference=False))
        predicted = _predictions(network.network(image, inference=False))
        with full_precision(image):
            return soc_losses(predicted, frozen)

    def panels(self, state: Mapping[str, Tensor]) -> list[Panel]:
        """Photos, their mattes before and after."""
        last = soc_recipe(1, 1).phases[0]
        before, after = (
            modnet_matting(weights, self._size)
            for weights in (self._weights, self.exported(state, last))
        )
        photos = map(read_photo, self._photos[:: max(1, len(self._photos) // _SHOWN)])
        return [Panel((p, to_levels(before(p)), to_levels(after(p)))) for p in photos]


def _predictions(out: MODNetOutput) -> Predictions:
    assert out.semantic is not None
    assert out.detail is not None
    return Predictions(out.semantic.float(), out.detail.float(), out.matte.float())
