"""Interrupts that wait for a safe moment, so that nothing is done twice or left out of a report."""

from __future__ import annotations

import queue
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import TypeVar

__all__ = ["Hold", "forget_interrupts", "interrupt", "is_interrupted", "next_message"]

M = TypeVar("M")

_WAIT_SECONDS = 0.5

# Interrupts raised while no Hold was active; a plain list, because a signal handler must not wait
# for a lock that the interrupted thread may hold.
_lost: list[bool] = []
_holds: list[Hold] = []  # active ones; for the main thread only, where signal handlers run


def interrupt() -> None:
    """Called by a signal handler: raises ``KeyboardInterrupt`` now, or when the active hold ends.

    Raises:
        KeyboardInterrupt: no hold is active. Python swallows the exception if it interrupted one
            of Python's own callbacks (an import lock's, say); then the next hold raises it.
    """
    if not _holds:
        _lost.append(True)
        raise KeyboardInterrupt
    _holds[-1].request()


def forget_interrupts() -> None:
    """Drop earlier interrupts: a new command begins, which they were not meant for."""
    _lost.clear()


def is_interrupted() -> bool:
    """Whether a hold has noted an interrupt, so that whoever waits can stop waiting."""
    return any(hold.requested for hold in _holds)


def next_message(messages: queue.SimpleQueue[M]) -> M:
    """The next message of a queue, as soon as there is one; for the main thread.

    It waits piece by piece: a signal that arrives just before a wait begins is handled only when
    that wait ends.
    """
    while True:
        with suppress(queue.Empty):
            return messages.get(timeout=_WAIT_SECONDS)


class Hold:
    """While its block runs, ``interrupt`` is only noted; leaving the block normally raises it.

    For the main thread only. Interrupts that do not come through ``interrupt`` are not held.
    """

    def __init__(self) -> None:
        self.requested = False
        self._wake: Callable[[], None] = lambda: None

    def on_request(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called (by a signal handler) at an interrupt; now, if there was one."""
        self._wake = wake
        if self.requested:
            wake()

    def request(self) -> None:
        """Note an interrupt."""
        self.requested = True
        self._wake()

    def __enter__(self) -> Hold:
        if _lost:
            _lost.clear()
            raise KeyboardInterrupt
        _holds.append(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        _holds.remove(self)
        if self.requested and kind is None:
            raise KeyboardInterrupt
