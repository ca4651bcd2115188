"""Training state on disk: tensors and plain text only, replaced in one step."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from mattecli.errors import CheckpointError, UsageError
from mattecli.models.weights import SHORT_SIDE
from mattecli.training.average import WeightAverage
from mattecli.training.writing import replacing

__all__ = [
    "TrainingState",
    "begun_with",
    "read_training_state",
    "told_options",
    "write_training_state",
    "write_weights",
]

_META = "mattecli"


@dataclass(frozen=True, slots=True)
class TrainingState:
    """All that changes during a training, besides the number of steps done."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    average: WeightAverage


def write_training_state(path: Path, state: TrainingState, facts: dict[str, Any]) -> None:
    """Write ``state`` and ``facts`` (JSON); an earlier file stays whole until the new one is.

    Args:
        path: of the file.
        state: its tensors are written as they are.
        facts: whatever is needed to go on: the number of steps, the recipe, the seed.
    """
    tensors = {f"network.{key}": value for key, value in state.network.state_dict().items()}
    tensors |= {f"average.{key}": value for key, value in state.average.state.items()}
    for name, parameter in state.network.named_parameters():
        for slot, value in state.optimiser.state.get(parameter, {}).items():
            tensors[f"optimiser.{slot}.{name}"] = value
    _save(path, tensors, facts)


def read_training_state(path: Path, state: TrainingState) -> dict[str, Any]:
    """Put a checkpoint's tensors into ``state`` and return its facts.

    Raises:
        CheckpointError: the file is no checkpoint of this training.
    """
    parts: dict[str, dict[str, Tensor]] = {"network": {}, "average": {}, "optimiser": {}}
    try:
        with safe_open(path, framework="pt") as file:
            facts: dict[str, Any] = json.loads((file.metadata() or {})[_META])
            for key in file.keys():  # noqa: SIM118 - the handle is no mapping
                part, _, name = key.partition(".")
                parts[part][name] = file.get_tensor(key)
        state.network.load_state_dict(parts["network"], strict=True)
        state.average.load(parts["average"])
        _load_optimiser(state, parts["optimiser"])
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise CheckpointError(
            "is no checkpoint of this training",
            path=path,
            remedy="start again without --resume, or with the options it was begun with",
        ) from error
    return facts


def told_options(path: Path, told: object) -> dict[str, str]:
    """The options of the weights in a checkpoint, checked.

    Args:
        path: of the checkpoint.
        told: by name, what its facts say.

    Raises:
        CheckpointError: they make no sense.
    """
    if (
        isinstance(told, dict)
        and all(isinstance(value, str) for value in told.values())
        and told.get(SHORT_SIDE, "1").isdecimal()
    ):
        return told
    raise CheckpointError("says of its weights what makes no sense", path=path)


def begun_with(path: Path, told: object, now: Mapping[str, str]) -> dict[str, str]:
    """What a training was begun with, if it is resumed with the same: else it would be another.

    Args:
        path: of the checkpoint.
        told: by name, what its facts say.
        now: by name, what it is resumed with.

    Raises:
        UsageError: they differ.
    """
    begun = told if isinstance(told, dict) else {}
    before = {name: begun.get(name, "not given") for name in now}
    changed = [f"{k} {before[k]}, not {v}" for k, v in now.items() if before[k] != v]
    if changed:
        raise UsageError(
            f"was begun with {', '.join(changed)}",
            path=path,
            remedy="give the same options with --resume, or another folder",
        )
    return {str(name): str(value) for name, value in begun.items()}


def write_weights(path: Path, weights: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Write weights alone, in half precision where that holds them."""
    _save(path, {key: _halved(value) for key, value in weights.items()}, facts)


def _halved(value: Tensor) -> Tensor:
    """In half precision, unless numbers are too large for it, as a norm's variances may be."""
    if not value.is_floating_point():
        return value
    half = value.half()
    return half if torch.equal(half.isfinite(), value.isfinite()) else value


def _load_optimiser(state: TrainingState, tensors: dict[str, Tensor]) -> None:
    parameters = dict(state.network.named_parameters())
    for key, value in tensors.items():
        slot, _, name = key.partition(".")
        parameter = parameters[name]
        # PyTorch counts steps on the CPU.
        kept = value if slot == "step" else value.to(parameter.device)
        state.optimiser.state[parameter][slot] = kept


def _save(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    plain = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    with replacing(path) as part:
        mode = part.stat().st_mode
        # The library puts a file of its own in place, which only its owner may read.
        save_file(plain, part, metadata={_META: json.dumps(facts)})
        part.chmod(mode)
        with part.open("rb") as file:
            os.fsync(file.fileno())
