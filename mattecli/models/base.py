"""What every network of the package offers the engine."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from mattecli.errors import CheckpointError

__all__ = ["Estimate", "MattingModel", "ModelInput", "load_strictly"]

_FLOATS = frozenset({torch.float16, torch.bfloat16, torch.float32, torch.float64})
_INTEGERS = frozenset({torch.int8, torch.int16, torch.int32, torch.int64, torch.uint8, torch.bool})


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
        """As `from_state`, with what the record of the weights tells besides the tensors.

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
    Floating-point entries are cast to the network's type; what that makes infinite is refused.

    Raises:
        CheckpointError: names the first keys that are missing, unknown, of another shape or of
            another kind of number, and those that hold NaN or infinity.
    """
    own = network.state_dict()
    _refuse("are missing", [key for key in own if key not in state and not _is_counter(key)])
    _refuse("are unknown", [key for key in state if key not in own])
    shapes = [
        f"{key} is {tuple(value.shape)} instead of {tuple(own[key].shape)}"
        for key, value in state.items()
        if value.shape != own[key].shape
    ]
    _refuse("have another shape", shapes)
    kinds = [
        f"{key} is {_kind(value)} instead of {_kind(own[key])}"
        for key, value in state.items()
        if value.dtype not in (_FLOATS if own[key].is_floating_point() else _INTEGERS)
    ]
    _refuse("hold another kind of number", kinds)
    cast = {key: value.to(own[key].dtype) for key, value in state.items()}
    broken = [key for key, value in cast.items() if not torch.isfinite(value).all()]
    _refuse("are not finite", broken)
    network.load_state_dict({**own, **cast}, strict=True)


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def _refuse(what: str, entries: Sequence[str]) -> None:
    """Raise a `CheckpointError` that names the first of ``entries``, if there are any."""
    if entries:
        more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
        raise CheckpointError(f"entries {what}: {', '.join(entries[:3])}{more}")
