"""Lends a few things that threads take turns with, such as copies of a network."""

from __future__ import annotations

import threading
import time
from contextlib import nullcontext

from mattecli.engine.watch import not_counted

__all__ = ["Lanes"]

_LOOK_SECONDS = 0.2
_PATIENCE = 60.0


class Lanes:
    """Numbers from 0, each lent to one thread at a time.

    A thread that was given up (see `watch`) keeps its number until its work, which nothing can
    stop, has ended. A thread that ends without giving its number back loses it.

    Args:
        count: how many there are.
    """

    def __init__(self, count: int) -> None:
        self._holders: list[threading.Thread | None] = [None] * count
        self._changed = threading.Condition()

    def take(self) -> int:
        """A free number for the calling thread, as soon as there is one.

        The wait does not count as work, unless it is so long that the others seem to hang.
        """
        patience = time.monotonic() + _PATIENCE
        with self._changed:
            while (number := self._free()) is None:
                with not_counted() if time.monotonic() < patience else nullcontext():
                    self._changed.wait(_LOOK_SECONDS)
            self._holders[number] = threading.current_thread()
            return number

    def give(self, number: int) -> None:
        """It is free again."""
        with self._changed:
            self._holders[number] = None
            self._changed.notify()

    def _free(self) -> int | None:
        for number in reversed(range(len(self._holders))):  # prefer the same: it is warm
            holder = self._holders[number]
            if holder is None or not holder.is_alive():
                return number
        return None
