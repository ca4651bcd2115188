"""Batches, each a function of the seed and the number of its step alone.

That makes a resumed training see what an undisturbed one would have seen, whatever was computed
ahead by the processes that make the pictures.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator

import cv2
import numpy as np
from torch.utils.data import DataLoader, Dataset

from mattecli.errors import MattecliError
from mattecli.records import Size
from mattecli.training.recipe import Recipe
from mattecli.training.system import Batch, Sampler, stacked

__all__ = ["BatchMaker", "feed"]

_AHEAD = 4  # batches a process makes in advance


class BatchMaker(Dataset[Batch | MattecliError]):
    """The batch of each step, or why there is none: a process cannot hand on an exception whole.

    Args:
        recipe: phases, sizes and batch sizes.
        sampler: makes the pictures.
        seed: of the whole training.
    """

    def __init__(self, recipe: Recipe, sampler: Sampler, seed: int) -> None:
        self._recipe = recipe
        self._sampler = sampler
        self._seed = seed

    def __getitem__(self, step: int) -> Batch | MattecliError:
        """The batch of ``step``, from 0."""
        try:
            return self._batch(step)
        except MattecliError as error:
            return error

    def _batch(self, step: int) -> Batch:
        phase, _ = self._recipe.position(step)
        height, width = np.random.default_rng((self._seed, step)).choice(phase.sizes)
        size = Size(int(width), int(height))
        rows = [
            self._sampler.sample(phase, size, np.random.default_rng((self._seed, step, place)))
            for place in range(phase.batch)
        ]
        return stacked(rows)


def feed(maker: BatchMaker, steps: range, workers: int) -> Iterator[Batch]:
    """The batches of ``steps`` in order, made ahead by ``workers`` processes (0: none).

    Raises:
        MattecliError: what kept a batch from being made.
    """
    loader = DataLoader(
        maker,
        sampler=steps,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=_AHEAD if workers else None,
        worker_init_fn=_prepare_worker,
        multiprocessing_context="spawn" if workers else None,
    )
    batches = iter(loader)
    try:
        for batch in batches:
            if isinstance(batch, MattecliError):
                raise batch
            yield batch
    finally:
        if workers:  # an exception's traceback keeps the iterator, and so its processes, alive
            batches._shutdown_workers()  # type: ignore[attr-defined] # torch has no public way


def _prepare_worker(_worker: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # a stop is the trainer's to handle
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)  # the network's threads need the cores
