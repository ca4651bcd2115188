"""Shows the progress of videos to the person at the terminal, or to a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mattecli.cli.progress import Meter, say
from mattecli.cli.render import Console

if TYPE_CHECKING:
    from mattecli.jobs.video import Progress
    from mattecli.records import ItemRecord

__all__ = ["VideoConsole"]


class VideoConsole(Console):
    """Counts the frames of each video instead of the videos."""

    def started(self, total: int) -> None:
        """Videos are counted by their frames: nothing is shown of the number of videos."""
        self._total = total

    def frames(self, progress: Progress) -> None:
        """A video has got on."""
        if self._run.quiet:
            return
        if self._meter is None:
            self._meter = Meter(
                "frame", progress.total, initial=progress.resumed, name=progress.source
            )
        rates = " ".join(f"{name} {rate:.0f}/s" for name, rate in progress.stages.items())
        self._meter.moved(progress.done, lambda: _line(progress), rates=rates)

    def item(self, record: ItemRecord) -> None:
        """One video has ended; of those made elsewhere nothing is told before."""
        self._leave()
        super().item(record)
        if self._total > 1 and not self._run.quiet:
            say(self._progress())

    def _again(self, folder: str) -> str:
        """With pieces of a video that was not completed, which there are only here."""
        from mattecli.media.stores.place import as_path, is_stored

        return super()._again(folder) + ("" if is_stored(as_path(folder)) else " --resume")


def _line(progress: Progress) -> str:
    """Such as: clip.mp4: 250 of 5000 frames, 12.3 a second, 386 s left."""
    of = f" of {progress.total}" if progress.total else ""
    rate = (progress.done - progress.resumed) / max(progress.seconds, 1e-6)
    line = f"{progress.source}: {progress.done}{of} frames, {rate:.1f} a second"
    if progress.total and rate > 0:
        line += f", {max(0, progress.total - progress.done) / rate:.0f} s left"
    return line
