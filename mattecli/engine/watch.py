"""Gives up work that takes too long; its thread, which nothing can stop, is left behind."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["GivenUp", "Shift", "Watch", "has_lost_threads", "is_lost", "not_counted"]

_lost: list[threading.Thread] = []
_own = threading.local()  # the shift of each thread


class GivenUp(BaseException):
    """Raised in a thread that was left behind, at its next step in Python."""


def has_lost_threads() -> bool:
    """Whether threads that were left behind are still at work, so no normal exit is possible."""
    return any(thread.is_alive() for thread in _lost)


def is_lost(thread: threading.Thread) -> bool:
    """Whether a thread was left behind."""
    return thread in _lost


@dataclass(slots=True, eq=False)
class Shift:
    """A thread's work on one group.

    Attributes:
        spent: called with the seconds since it began; gives up items that take too long, and says
            whether no item of the group is left.
        replace: called when none is left; starts another thread in this one's place.
        is_lost: none is left, and the thread was left behind.
        is_waiting: it waits for its turn.
    """

    spent: Callable[[float], bool]
    replace: Callable[[], None]
    begin: float = field(default_factory=time.monotonic)
    thread: threading.Thread = field(default_factory=threading.current_thread)
    is_lost: bool = False
    is_waiting: bool = False


@contextmanager
def not_counted() -> Iterator[None]:
    """While entered, the calling thread's time is not counted (it waits for its turn, say)."""
    shift: Shift | None = getattr(_own, "shift", None)
    if shift is None:
        yield
        return
    begin = time.monotonic()
    shift.is_waiting = True
    try:
        yield
    finally:
        shift.begin += time.monotonic() - begin
        shift.is_waiting = False


class Watch:
    """Checks all shifts several times within the limit, in a thread of its own.

    Args:
        limit: seconds.
    """

    def __init__(self, limit: float) -> None:
        self.lock = threading.Lock()
        self._pause = min(max(limit / 8, 0.01), 0.5)
        self._shifts: set[Shift] = set()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def begin(self, shift: Shift) -> None:
        """A shift begins, in the thread that calls."""
        _own.shift = shift
        with self.lock:
            self._shifts.add(shift)

    def end(self, shift: Shift) -> bool:
        """It is over; False if its thread was left behind meanwhile."""
        _own.shift = None
        with self.lock:
            self._shifts.discard(shift)
            return not shift.is_lost

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._closing.wait(self._pause):
            with self.lock:
                now = time.monotonic()
                late = [
                    shift
                    for shift in self._shifts
                    if not shift.is_waiting and shift.spent(now - shift.begin)
                ]
                for shift in late:
                    self._shifts.discard(shift)
                    _leave_behind(shift)


def _leave_behind(shift: Shift) -> None:
    shift.is_lost = True
    _lost.append(shift.thread)
    shift.replace()
    if shift.thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(shift.thread.ident), ctypes.py_object(GivenUp)
        )
