"""What ``train`` and ``adapt`` share: progress, and a stop that loses nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import typer

from mattecli.cli.progress import Meter, say

if TYPE_CHECKING:
    from mattecli.jobs.train import Progress, TrainReport
    from mattecli.settings.train import LearnOptions

__all__ = ["LearningBar", "run_learning"]

Learn = Callable[["LearningBar", Callable[[], bool]], "TrainReport"]


class LearningBar:
    """Steps done and left."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._reading: Meter | None = None
        self._meter: Meter | None = None
        self._first: tuple[float, int] | None = None

    def reading(self, done: int, total: int) -> None:
        """``done`` of ``total`` photos are decoded; nothing is learnt before that."""
        if self._quiet:
            return
        if self._reading is None:
            self._reading = Meter("photo", total, initial=done, name="reading")
        line = f"reading photos: {done} of {total}"
        self._reading.moved(done, lambda: line, now=done == total)
        if done == total:
            self._reading.close()

    def learnt(self, progress: Progress) -> None:
        """A row of the log was written."""
        if self._quiet:
            return
        is_first = self._first is None
        if self._first is None:
            self._first = (time.monotonic(), progress.step)
        if self._meter is None:
            self._meter = Meter("step", progress.steps, initial=progress.step)
        self._meter.moved(
            progress.step,
            lambda: f"{_shown(progress)}{self._left(progress)}",
            rates=f"{progress.phase}: loss {progress.loss:.4g}",
            now=is_first or progress.step == progress.steps,
        )

    def close(self) -> None:
        """Leave the line that a bar is on."""
        for meter in (self._reading, self._meter):
            if meter is not None:
                meter.close()

    def _left(self, progress: Progress) -> str:
        assert self._first is not None
        began, first = self._first
        if progress.step == first:
            return ""
        each = (time.monotonic() - began) / (progress.step - first)
        seconds = each * (progress.steps - progress.step)
        hours, minutes = divmod(round(seconds / 60), 60)
        return f", {hours} h {minutes} min left" if hours else f", {minutes} min left"


def run_learning(options: LearnOptions, learn: Learn) -> None:
    """Run ``learn`` to its end, or to a signal; prints the path of the weights.

    Args:
        options: whether to be quiet.
        learn: called with the bar, and with what it must ask after each step.

    Raises:
        typer.Exit: 130, when a signal stopped it.
    """
    bar = LearningBar(quiet=options.quiet)
    stopped = _stop_after_the_step()
    try:
        report = learn(bar, stopped)
    finally:
        bar.close()
    typer.echo(os.fsencode(report.weights))
    if not report.finished and not options.quiet:
        say(f"stopped after step {report.step} of {report.steps}; --resume goes on from there")
    if stopped():
        raise typer.Exit(130)


def _stop_after_the_step() -> Callable[[], bool]:
    """Note SIGINT and SIGTERM, for the returned function to tell; a second ends the process."""
    came = False

    def stop(_number: int, _frame: FrameType | None) -> None:
        nonlocal came
        if came:
            os._exit(130)
        came = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    return lambda: came


def _shown(progress: Progress) -> str:
    return (
        f"step {progress.step} of {progress.steps}, {progress.phase}: loss {progress.loss:.4g},"
        f" {progress.rate:.1f} pictures a second"
    )
