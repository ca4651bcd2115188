"""The optimiser of a recipe, and the bounds of its steps."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mattecli.training.recipe import Optimiser, Recipe

__all__ = ["bound_gradients", "make_optimiser"]


def make_optimiser(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """A recipe's optimiser; a group has the parameters whose rates are equal in every phase.

    A group is named after its first parameter, by which a phase tells its rate.
    """
    numbers = recipe.optimiser
    groups: dict[tuple[float, ...], dict[str, Any]] = {}
    for name, parameter in network.named_parameters():
        decay = numbers.weight_decay if parameter.ndim > 1 else 0.0
        key = (decay, *(phase.factor(name) for phase in recipe.phases))
        empty = {"name": name, "params": [], "weight_decay": decay}
        groups.setdefault(key, empty)["params"].append(parameter)
    kinds = list(groups.values())
    if numbers.kind == "sgd":
        return torch.optim.SGD(kinds, lr=1.0, momentum=numbers.betas[0])
    kind = torch.optim.AdamW if numbers.kind == "adamw" else torch.optim.Adam
    return kind(kinds, lr=1.0, betas=numbers.betas)


def bound_gradients(network: nn.Module, numbers: Optimiser) -> Tensor:
    """Bound the gradients in place, and return what their norm was before."""
    parameters = [p for p in network.parameters() if p.grad is not None]
    if numbers.clip_value:
        nn.utils.clip_grad_value_(parameters, numbers.clip_value)
    return nn.utils.clip_grad_norm_(parameters, numbers.clip_norm or float("inf"))
