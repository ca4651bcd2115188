"""Shows a download to the person at the terminal, or to a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from mattecli.cli.render import say
from mattecli.errors import shown_text

if TYPE_CHECKING:
    from tqdm import tqdm

__all__ = ["TransferBar"]

_LOG_SECONDS = 5.0


class TransferBar:
    """A bar on a terminal, a plain line every few seconds elsewhere.

    Args:
        name: what is downloaded.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._bar: tqdm[object] | None = None
        self._last = time.monotonic()

    def transferred(self, done: int, total: int | None) -> None:
        """``done`` of ``total`` bytes are on disk; ``total`` is None where nobody knows it."""
        if sys.stderr.isatty():
            self._draw(done, total)
        elif time.monotonic() - self._last >= _LOG_SECONDS:
            self._last = time.monotonic()
            of = f" of {total / 1e6:.1f}" if total is not None else ""
            say(f"{self._name}: {done / 1e6:.1f}{of} MB")

    def note(self, text: str) -> None:
        """A remark: what is tried again, and why."""
        self.close()
        say(f"mattecli: {shown_text(text)}")

    def close(self) -> None:
        """Leave the line that the bar is on."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _draw(self, done: int, total: int | None) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                desc=self._name,
                initial=done,
                total=total,
                unit="B",
                unit_scale=True,
                file=sys.stderr,
                dynamic_ncols=True,
            )
        self._bar.update(done - self._bar.n)
