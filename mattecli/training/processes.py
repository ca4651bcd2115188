"""Items that other processes make ahead, in order."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from multiprocessing import resource_tracker
from typing import Protocol, TypeVar

import cv2
from torch.utils.data import DataLoader, Dataset

from mattecli.errors import MattecliError

__all__ = ["Maker", "made_ahead"]

T = TypeVar("T")
Made_co = TypeVar("Made_co", covariant=True)

_STOPS = (signal.SIGINT, signal.SIGTERM)


class Maker(Protocol[Made_co]):
    """Makes items by number; picklable, to be sent to a process."""

    def __getitem__(self, number: int, /) -> Made_co:
        """Item ``number``."""
        ...


class _Guarded(Dataset[T | MattecliError]):
    """Items, or why there is none: an exception does not come whole out of a process."""

    def __init__(self, maker: Maker[T]) -> None:
        self._maker = maker

    def __getitem__(self, number: int) -> T | MattecliError:
        try:
            return self._maker[number]
        except MattecliError as error:
            return error


def made_ahead(
    maker: Maker[T],
    order: Iterable[int],
    workers: int,
    *,
    ahead: int = 1,
    pinned: bool = False,
) -> Generator[T]:
    """The items of ``order``; PyTorch makes tensors of the arrays in them.

    Close it where it is not read to its end: that ends the processes.

    Args:
        maker: makes an item by its number.
        order: numbers of items.
        workers: processes that make them; 0 is none.
        ahead: items that each process makes in advance, which wait in shared memory.
        pinned: put them into memory from which a copy to a CUDA GPU need not be waited for.

    Raises:
        MattecliError: what kept an item from being made.
    """
    loader = DataLoader(
        _Guarded(maker),
        sampler=order,
        batch_size=None,
        num_workers=workers,
        prefetch_factor=ahead if workers else None,
        worker_init_fn=_prepare_worker,
        multiprocessing_context="spawn" if workers else None,
        pin_memory=pinned,
    )
    with _stops_held() if workers else nullcontext():
        items = iter(loader)
    try:
        for item in items:
            if isinstance(item, MattecliError):
                raise item
            yield item
    finally:
        if workers:  # an exception's traceback keeps the iterator, and so its processes, alive
            items._shutdown_workers()  # type: ignore[attr-defined] # torch has no public way


@contextmanager
def _stops_held() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back: here until the end, in processes begun meanwhile for good.

    They are the caller's to handle, and would end a process that is still importing.
    """
    resource_tracker.ensure_running()  # begun later, it would let them through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _STOPS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _prepare_worker(_worker: int) -> None:
    for number in _STOPS:
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)  # the cores are the other processes' and the network's
