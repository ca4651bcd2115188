"""Batches, each a function of the seed and the number of its step alone.

So a resumed training sees what an undisturbed one would have seen, whatever the processes that make
the pictures had made ahead.
"""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from mattecli.records import Size
from mattecli.training.processes import made_ahead
from mattecli.training.recipe import Recipe
from mattecli.training.system import Batch, Sampler, Turn, stacked

__all__ = ["BatchMaker", "feed"]

_AHEAD = 4  # batches that a process makes in advance


class BatchMaker:
    """The batch of each step.

    Args:
        recipe: phases, sizes and batch sizes.
        sampler: makes the pictures.
        seed: of the whole training.
    """

    def __init__(self, recipe: Recipe, sampler: Sampler, seed: int) -> None:
        self._recipe = recipe
        self._sampler = sampler
        self._seed = seed

    def __getitem__(self, step: int) -> Batch:
        """The batch of ``step``, from 0."""
        phase, inside = self._recipe.position(step)
        height, width = np.random.default_rng((self._seed, step)).choice(phase.sizes)
        size = Size(int(width), int(height))
        rows = [
            self._sampler.sample_of_epoch(
                phase,
                size,
                np.random.default_rng((self._seed, step, place)),
                Turn(
                    inside * phase.batch + place, np.random.default_rng((self._seed, step - inside))
                ),
            )
            for place in range(phase.batch)
        ]
        return stacked(rows)


def feed(
    maker: BatchMaker, steps: range, workers: int, *, pinned: bool = False
) -> Generator[Batch]:
    """The batches of ``steps`` in order; arguments and errors are ``made_ahead``'s."""
    return made_ahead(maker, steps, workers, ahead=_AHEAD, pinned=pinned)
