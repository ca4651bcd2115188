"""Training recipes as data: what is trained in which order, at which sizes and rates."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Optimiser", "Phase", "Rate", "Recipe", "rate_at"]

Shape = Literal["constant", "cosine", "linear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A learning rate over a phase.

    Attributes:
        peak: the rate after warming up.
        warmup: steps over which it rises from 0.
        shape: how it falls from there to ``end``, by the phase's last step; ``constant`` does not.
        end: the last rate as a share of ``peak``.
    """

    peak: float
    warmup: int = 0
    shape: Shape = "constant"
    end: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimiser:
    """Which optimiser and its numbers.

    Attributes:
        kind: ``sgd``, ``adam`` or ``adamw``.
        betas: of Adam; the first is the momentum of SGD.
        weight_decay: of parameters with two or more dimensions; biases and norms have none.
        clip_norm, clip_value: bounds of the gradient's norm and of each of its values; 0: none.
    """

    kind: Literal["sgd", "adam", "adamw"] = "adamw"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    clip_value: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of a training.

    Attributes:
        name: is shown to the user; a system may choose its losses by it.
        steps: updates of the weights.
        batch: pictures a step.
        sizes: heights and widths of pictures; each batch has one of them, drawn at random.
        rate: learning rate of the parameters without an entry in ``factors``.
        factors: what a parameter's rate is multiplied by, by prefix of its name; 0 freezes it.
            The first prefix that fits counts.
        restart: forget the optimiser's running means at the start.
        plain: for systems that compose their pictures: the share of them that are labelled photos
            as they are, whole and on their own background.
        strands: for such systems: the share of people who get loose hair.
    """

    name: str
    steps: int
    batch: int
    sizes: tuple[tuple[int, int], ...]
    rate: Rate
    factors: dict[str, float] = field(default_factory=dict)
    restart: bool = False
    plain: float = 0.0
    strands: float = 0.0

    def rests(self, part: str) -> bool:
        """Whether the weights whose names begin with ``part`` stay as they are."""
        return self.factor(part) == 0

    def factor(self, name: str) -> float:
        """What the rate of the parameter called ``name`` is multiplied by."""
        return next((f for prefix, f in self.factors.items() if name.startswith(prefix)), 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A whole training.

    Attributes:
        system: name of the system it trains.
        phases: in order.
        optimiser: one for all phases.
        multiple: what the sides of pictures must be divisible by.
        least_batch: the smallest batch that the network can be trained with.
        average: decay of the moving average of the weights, which is what is exported.
        log_every, save_every, check_every, sheet_every: steps between rows of the log,
            checkpoints, validations and sample sheets.
    """

    system: str
    phases: tuple[Phase, ...]
    optimiser: Optimiser = field(default_factory=Optimiser)
    multiple: int = 1
    least_batch: int = 1
    average: float = 0.999
    log_every: int = 20
    save_every: int = 200
    check_every: int = 1000
    sheet_every: int = 1000

    @property
    def steps(self) -> int:
        """Steps of all phases."""
        return sum(phase.steps for phase in self.phases)

    def position(self, step: int) -> tuple[Phase, int]:
        """The phase that ``step`` (from 0) belongs to, and the step's number in it."""
        for phase in self.phases:
            if step < phase.steps:
                return phase, step
            step -= phase.steps
        raise IndexError("beyond the last phase")


def rate_at(rate: Rate, step: int, steps: int) -> float:
    """The learning rate at ``step`` (from 0) of a phase of ``steps``."""
    if step < rate.warmup:
        return rate.peak * (step + 1) / rate.warmup
    if rate.shape == "constant":
        return rate.peak
    done = (step - rate.warmup) / max(1, steps - rate.warmup)
    left = 1 - done if rate.shape == "linear" else (1 + math.cos(math.pi * done)) / 2
    return rate.peak * (rate.end + (1 - rate.end) * left)
