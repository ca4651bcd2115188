"""What every network of the package offers the engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from mattecli.errors import CheckpointError

__all__ = ["Estimate", "MattingModel", "ModelInput", "load_strictly"]


@dataclass(frozen=True, slots=True)
class ModelInput:
    """A batch for a network; all tensors float, NCHW, equal H and W.

    Attributes:
        src: photo, N,3,H,W, RGB, 0..1.
        trimap: N,1,H,W; 0 background, 128/255 unknown, 1 foreground.
        bgr: background plate, N,3,H,W, RGB, 0..1.
        seg: rough subject mask, N,1,H,W, 0..1.
    """

    src: Tensor
    trimap: Tensor | None = None
    bgr: Tensor | None = None
    seg: Tensor | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a network found.

    Attributes:
        pha: alpha, N,1,H,W, 0..1.
        fgr: foreground colours (unassociated), N,3,H,W, RGB, 0..1, where the network has them.
    """

    pha: Tensor
    fgr: Tensor | None = None


class MattingModel(nn.Module):
    """Base of all networks: published ``forward``, and ``estimate`` for the engine.

    A subclass keeps the published key names for its parameters; normalisation numbers are
    non-persistent buffers, so that they are no part of the state dict.
    """

    @classmethod
    def fresh(cls, variant: str = "") -> Self:
        """A network with random weights.

        Args:
            variant: of the registry row, for classes that several rows share.
        """
        return cls()

    @classmethod
    @abstractmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """A network sized from the tensors of ``state`` and strictly loaded with them.

        Args:
            state: state dict with published names, any ``module.`` prefix already taken off.

        Raises:
            CheckpointError: keys are missing or unknown, or shapes do not fit.
        """

    @classmethod
    def from_stored(cls, state: Mapping[str, Tensor], options: Mapping[str, str]) -> Self:
        """As `from_state`, with what the record of the weights tells beside the tensors.

        Args:
            state: as for `from_state`.
            options: text by name; each network says which it knows.

        Raises:
            CheckpointError: an option is unknown or makes no sense, or `from_state` raises it.
        """
        if options:
            raise CheckpointError(f"{cls.__name__} has no option {', '.join(options)}")
        return cls.from_state(state)

    @abstractmethod
    def estimate(self, inputs: ModelInput) -> Estimate:
        """Alpha (and foreground colours where the network has them) of a batch.

        Args:
            inputs: tensors whose sides obey the size rule of the model's registry row.
        """


def load_strictly(network: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Copy ``state`` into ``network``; every key must match, both ways.

    ``num_batches_tracked`` entries, which old files lack and inference ignores, may be absent.

    Raises:
        CheckpointError: names the first keys that are missing, unknown or of another shape, and
            those that hold NaN or infinity.
    """
    own = network.state_dict()
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unknown = [key for key in state if key not in own]
    shapes = [
        f"{key} is {tuple(state[key].shape)} instead of {tuple(value.shape)}"
        for key, value in own.items()
        if key in state and state[key].shape != value.shape
    ]
    broken = [
        key
        for key, value in state.items()
        if value.is_floating_point() and not torch.isfinite(value).all()
    ]
    for what, names in (
        ("entries are missing", missing),
        ("entries are unknown", unknown),
        ("entries have another shape", shapes),
        ("entries are not finite", broken),
    ):
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise CheckpointError(f"{what}: {', '.join(names[:3])}{more}")
    complete = {key: state.get(key, value) for key, value in own.items()}
    network.load_state_dict(complete, strict=True)
