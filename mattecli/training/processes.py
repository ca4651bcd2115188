"""What other processes make ahead, in order."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from typing import TypeVar

import cv2
from torch.utils.data import DataLoader, Dataset

from mattecli.errors import MattecliError

__all__ = ["made_ahead"]

T = TypeVar("T")

_AHEAD = 4  # items that a process makes in advance


def made_ahead(
    maker: Dataset[T | MattecliError], order: Iterable[int], workers: int, *, pinned: bool = False
) -> Iterator[T]:
    """The items of ``order``; arrays in them come as tensors.

    Args:
        maker: makes an item by its number, or says why it cannot: a process cannot hand on an
            exception whole.
        order: numbers of items.
        workers: processes that make them; 0 is none.
        pinned: put them where a CUDA GPU copies from while it computes.

    Raises:
        MattecliError: what kept an item from being made.
    """
    loader = DataLoader(
        maker,
        sampler=order,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=_AHEAD if workers else None,
        worker_init_fn=_prepare_worker,
        multiprocessing_context="spawn" if workers else None,
        pin_memory=pinned,
    )
    items = iter(loader)
    try:
        for item in items:
            if isinstance(item, MattecliError):
                raise item
            yield item
    finally:
        if workers:  # an exception's traceback keeps the iterator, and so its processes, alive
            items._shutdown_workers()  # type: ignore[attr-defined] # torch has no public way


def _prepare_worker(_worker: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # a stop is the caller's to handle
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)  # the network's threads need the cores
