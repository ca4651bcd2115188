"""Shows the progress of videos to the person at the terminal, or to a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from mattecli.cli.render import Console

if TYPE_CHECKING:
    from tqdm import tqdm

    from mattecli.jobs.video import Progress
    from mattecli.records import ItemRecord, Report
    from mattecli.settings import RunOptions

__all__ = ["VideoConsole"]

_LOG_SECONDS = 5.0


class VideoConsole(Console):
    """A bar of frames for each video; on a pipe or in a log a plain line every few seconds."""

    def __init__(self, run: RunOptions) -> None:
        super().__init__(run)
        self._quiet = run.quiet
        self._frames: tqdm[object] | None = None
        self._last_line = time.monotonic()

    def started(self, total: int) -> None:
        """Videos are counted by their frames: no bar of videos."""
        self._total = total

    def frames(self, progress: Progress) -> None:
        """A video has got on."""
        if self._quiet:
            return
        if sys.stderr and sys.stderr.isatty():
            self._draw(progress)
        elif time.monotonic() - self._last_line >= _LOG_SECONDS:
            self._last_line = time.monotonic()
            self.note(_line(progress))

    def item(self, record: ItemRecord) -> None:
        """One video has ended."""
        self._close()
        super().item(record)

    def finished(self, report: Report) -> None:
        """The account at the end."""
        self._close()
        super().finished(report)

    def _draw(self, progress: Progress) -> None:
        if self._frames is None:
            from tqdm import tqdm

            self._frames = tqdm(
                desc=progress.source,
                initial=progress.resumed,
                total=progress.total,
                unit="frame",
                file=sys.stderr,
                dynamic_ncols=True,
            )
        rates = " ".join(f"{name} {rate:.0f}/s" for name, rate in progress.stages.items())
        self._frames.set_postfix_str(rates, refresh=False)
        self._frames.update(progress.done - self._frames.n)

    def _close(self) -> None:
        if self._frames is not None:
            self._frames.close()
            self._frames = None


def _line(progress: Progress) -> str:
    """Such as: clip.mp4: 250 of 5000 frames, 12.3 a second, 386 s left."""
    of = f" of {progress.total}" if progress.total else ""
    rate = (progress.done - progress.resumed) / max(progress.seconds, 1e-6)
    line = f"{progress.source}: {progress.done}{of} frames, {rate:.1f} a second"
    if progress.total and rate > 0:
        line += f", {max(0, progress.total - progress.done) / rate:.0f} s left"
    return line
