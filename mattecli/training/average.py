"""Moving average of a network's weights."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

__all__ = ["WeightAverage"]


class WeightAverage:
    """An exponential moving average of parameters and buffers.

    It forgets faster at the beginning of a phase, so that earlier weights, which had hardly learnt
    or had learnt at other sizes, are gone after some hundred steps.

    Args:
        network: whose weights are followed; the average starts as a copy.
        decay: share of the old average that a step keeps, in the long run.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.state = {key: value.detach().clone() for key, value in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module, step: int) -> None:
        """Move towards the weights after ``step`` of a phase (from 0)."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        floats: list[Tensor] = []
        targets: list[Tensor] = []
        for key, value in network.state_dict().items():
            if value.is_floating_point():
                floats.append(self.state[key])
                targets.append(value)
            else:
                self.state[key].copy_(value)
        torch._foreach_lerp_(floats, targets, share)

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a saved average."""
        for key, value in self.state.items():
            value.copy_(state[key])
