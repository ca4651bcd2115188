"""Shows a download to the person at the terminal, or to a log."""

from __future__ import annotations

from mattecli.cli.progress import Meter, say
from mattecli.errors import shown_text

__all__ = ["TransferBar"]


class TransferBar:
    """Bytes of a download.

    Args:
        name: what is downloaded.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._meter: Meter | None = None

    def transferred(self, done: int, total: int | None) -> None:
        """``done`` of ``total`` bytes are on disk; ``total`` is None where nobody knows it."""
        if self._meter is None:
            self._meter = Meter("B", total, initial=done, name=self._name, scaled=True)
        of = f" of {total / 1e6:.1f}" if total is not None else ""
        self._meter.moved(done, lambda: f"{self._name}: {done / 1e6:.1f}{of} MB")

    def note(self, text: str) -> None:
        """A remark: what is tried again, and why."""
        self.close()
        say(f"mattecli: {shown_text(text)}")

    def close(self) -> None:
        """Leave the line that the bar is on."""
        if self._meter is not None:
            self._meter.close()
            self._meter = None
