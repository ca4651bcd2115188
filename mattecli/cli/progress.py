"""How far something has got: a bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["Meter", "say"]

_LOG_SECONDS = 5.0
_IF_ANYBODY_HEARS = suppress(OSError, ValueError)  # a full disk, a closed reader: no cause to stop


def say(text: str) -> None:
    """One line to standard error, if there is one, and it can be written."""
    if sys.stderr is not None:
        with _IF_ANYBODY_HEARS:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


class Meter:
    """Shows progress to the person at the terminal, or to a log.

    Args:
        unit: what is counted.
        total: how many there are; None: nobody knows.
        initial: how many were done before this run.
        name: what stands before the bar.
        scaled: large counts are shown as k, M and G.
    """

    def __init__(
        self,
        unit: str,
        total: int | None,
        *,
        initial: int = 0,
        name: str | None = None,
        scaled: bool = False,
    ) -> None:
        self._last = time.monotonic()
        self._bar: tqdm[object] | None = None
        if sys.stderr is not None and sys.stderr.isatty():
            from tqdm import tqdm

            with _IF_ANYBODY_HEARS:
                self._bar = tqdm(
                    desc=name,
                    initial=initial,
                    total=total,
                    unit=unit,
                    unit_scale=scaled,
                    file=sys.stderr,
                    dynamic_ncols=True,
                )

    def moved(
        self, done: int, line: Callable[[], str], *, rates: str = "", now: bool = False
    ) -> None:
        """Show that ``done`` are done.

        Args:
            done: all until now, those from before this run included.
            line: what a log is told.
            rates: what stands behind the bar.
            now: a log is told at once, without waiting for its interval.
        """
        if self._bar is not None:
            with _IF_ANYBODY_HEARS:
                if rates:
                    self._bar.set_postfix_str(rates, refresh=False)
                self._bar.update(done - self._bar.n)
        elif now or time.monotonic() - self._last >= _LOG_SECONDS:
            self._last = time.monotonic()
            say(line())

    def write(self, text: str) -> None:
        """A line of its own, above the bar."""
        if self._bar is not None:
            with _IF_ANYBODY_HEARS:
                self._bar.write(text, file=sys.stderr)
        else:
            say(text)

    def close(self) -> None:
        """Leave the line that the bar is on."""
        if self._bar is not None:
            with _IF_ANYBODY_HEARS:
                self._bar.close()
            self._bar = None
