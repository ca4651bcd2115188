"""What a matting system brings to the trainer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn

from mattecli.models.base import load_strictly
from mattecli.models.weights import SHORT_SIDE
from mattecli.ops.pixels import tensor_from_array
from mattecli.records import Array, Size
from mattecli.training.depthwise import quicken_depthwise
from mattecli.training.recipe import Phase

__all__ = ["Batch", "Moment", "Panel", "Sampler", "System", "Turn", "full_precision", "stacked"]

Batch = dict[str, Tensor]
"""Named tensors of one training step; pictures are uint8 until the system scales them."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Where in a recipe a step lies.

    Attributes:
        phase: the phase it belongs to.
        step: its number in the phase, from 0.
    """

    phase: Phase
    step: int


@dataclass(frozen=True, slots=True)
class Turn:
    """Which of a phase's pictures is made.

    Attributes:
        number: from 0.
        order: random numbers that are the same for the whole phase.
    """

    number: int
    order: np.random.Generator


class Sampler(ABC):
    """Makes training pictures; lives in a process of its own, so it must be picklable."""

    @abstractmethod
    def sample(self, phase: Phase, size: Size, rng: np.random.Generator) -> dict[str, Array]:
        """One picture and its truth: named arrays, H,W or H,W,C, the same names every time."""

    def sample_of_epoch(
        self, phase: Phase, size: Size, rng: np.random.Generator, turn: Turn
    ) -> dict[str, Array]:
        """As `sample`; a sampler that goes through its material in turn heeds ``turn``."""
        del turn
        return self.sample(phase, size, rng)


@dataclass(frozen=True, slots=True)
class Panel:
    """One row of a sample sheet: pictures of equal height, H,W or H,W,3 levels."""

    pictures: tuple[Array, ...]


class System(ABC):
    """One of the trainable systems: its network, its data and its losses.

    Attributes:
        name: of the system.
        part: which submodule of ``network`` is the matting network; empty: ``network`` itself.
        later: prefixes of the names of weights that only the last phases train.
        options: what is written beside the tensors into the file of trained weights, such as the
            short side at which they see photos; resuming takes the checkpoint's.
        begun_with: by name, what must be the same for a training to be resumed, such as the
            weights it began with; resuming takes the checkpoint's.
    """

    name: str
    part: str = ""
    later: tuple[str, ...] = ()
    options: Mapping[str, str] = MappingProxyType({})
    begun_with: Mapping[str, str] = MappingProxyType({})

    def short_side(self, usual: int) -> int:
        """The short side at which its network sees photos, from ``options``, else ``usual``."""
        return int(self.options.get(SHORT_SIDE, usual))

    @abstractmethod
    def network(self, seed: int) -> nn.Module:
        """A network with fresh weights for training."""

    def quicken(self, network: nn.Module) -> None:
        """Replace layers of a fresh ``network`` by ones that a CPU trains faster.

        Names and results stay the same.
        """
        quicken_depthwise(network)

    def begin(self, network: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Copy trained weights into ``network``; those of ``later`` that are missing stay fresh.

        Raises:
            CheckpointError: they are of another network.
        """
        part = self.trained(network)
        fresh = {k: v for k, v in part.state_dict().items() if k.startswith(self.later)}
        load_strictly(part, fresh | dict(weights))

    def trained(self, network: nn.Module) -> nn.Module:
        """The matting network in ``network``."""
        return network.get_submodule(self.part)

    @abstractmethod
    def sampler(self) -> Sampler:
        """What makes its training pictures."""

    @abstractmethod
    def losses(self, network: nn.Module, batch: Batch, moment: Moment) -> dict[str, Tensor]:
        """The terms of the loss; their sum is minimised.

        Weights that no term depends on are left as they are.
        """

    def enter(self, network: nn.Module, phase: Phase) -> None:
        """Prepare ``network`` for ``phase``, before its first step; nothing by default."""
        del network, phase

    def exported(self, state: Mapping[str, Tensor], phase: Phase) -> dict[str, Tensor]:
        """Those of the averaged weights that make up the matting network, under published names.

        Args:
            state: the averaged weights.
            phase: the last phase that was trained.
        """
        del phase
        prefix = f"{self.part}." if self.part else ""
        return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}

    def evaluate(
        self, state: Mapping[str, Tensor], phase: Phase, *, thorough: bool
    ) -> dict[str, float]:
        """Figures on held-out pictures; none by default.

        Args:
            state: the averaged weights.
            phase: the last phase that was trained.
            thorough: on all pictures instead of a few.
        """
        del state, phase, thorough
        return {}

    def panels(self, state: Mapping[str, Tensor]) -> list[Panel]:
        """Rows of a sample sheet made with the averaged weights; none by default."""
        del state
        return []


def full_precision(like: Tensor) -> torch.autocast:
    """A context without autocast on ``like``'s device: losses keep the type of their inputs."""
    return torch.autocast(like.device.type, enabled=False)


def stacked(rows: list[dict[str, Array]]) -> Batch:
    """Samples as tensors, N,C,H,W, of the arrays' types."""
    return {
        name: _channels_first(tensor_from_array(np.stack([row[name] for row in rows])))
        for name in rows[0]
    }


def _channels_first(images: Tensor) -> Tensor:
    """N,H,W or N,H,W,C as N,C,H,W; nothing moves in memory: networks are channels-last."""
    return images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
