"""Interrupts that wait for a safe moment, so that nothing is done twice or left out of a report."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

__all__ = ["Hold", "forget_interrupts", "interrupt", "is_interrupted"]

# Of interrupts without a hold. A list, since a handler might wait for a lock's holder for ever.
_lost: list[bool] = []
_holds: list[Hold] = []  # the main thread's alone, as signal handlers are


def interrupt() -> None:
    """What a signal handler calls: ``KeyboardInterrupt``, at once or when the hold ends.

    Raises:
        KeyboardInterrupt: nothing holds it back. Python loses it where it comes amid a callback of
            its own, such as a lock of imports; then the next hold raises it.
    """
    if not _holds:
        _lost.append(True)
        raise KeyboardInterrupt
    _holds[-1].request()


def forget_interrupts() -> None:
    """A new command begins, which earlier interrupts did not mean."""
    _lost.clear()


def is_interrupted() -> bool:
    """Whether an interrupt was noted and waits for its moment: what waits may end its wait."""
    return any(hold.requested for hold in _holds)


class Hold:
    """While entered, ``interrupt`` is only noted; leaving the block normally raises it.

    For the main thread. Interrupts that do not come through ``interrupt`` are not held.
    """

    def __init__(self) -> None:
        self.requested = False
        self._wake: Callable[[], None] = lambda: None

    def on_request(self, wake: Callable[[], None]) -> None:
        """Have ``wake`` called at a request, from a signal handler; at once if there was one."""
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
