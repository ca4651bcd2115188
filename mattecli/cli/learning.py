"""What ``train`` and ``adapt`` share: progress, and a stop that loses nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import typer

from mattecli.cli.render import say

if TYPE_CHECKING:
    from tqdm import tqdm

    from mattecli.jobs.train import Progress, TrainReport
    from mattecli.settings.train import LearnOptions

__all__ = ["LearningBar", "run_learning"]

_LOG_SECONDS = 5.0

Learn = Callable[["LearningBar", Callable[[], bool]], "TrainReport"]


class LearningBar:
    """Steps done and left: a bar on a terminal, a plain line every few seconds elsewhere."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._bar: tqdm[object] | None = None
        self._first: tuple[float, int] | None = None
        self._last = float("-inf")

    def reading(self, done: int, total: int) -> None:
        """``done`` of ``total`` photos are decoded; nothing is learnt before that."""
        now = time.monotonic()
        if not self._quiet and (now - self._last >= _LOG_SECONDS or done == total):
            self._last = now
            say(f"reading photos: {done} of {total}")

    def learnt(self, progress: Progress) -> None:
        """A row of the log was written."""
        if self._quiet:
            return
        if sys.stderr.isatty():
            self._draw(progress)
            return
        now = time.monotonic()
        if self._first is None:
            self._first = (now, progress.step)
        if now - self._last >= _LOG_SECONDS or progress.step == progress.steps:
            self._last = now
            say(f"{_shown(progress)}{self._left(progress, now)}")

    def close(self) -> None:
        """Leave the line that the bar is on."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _left(self, progress: Progress, now: float) -> str:
        assert self._first is not None
        began, first = self._first
        if progress.step == first:
            return ""
        seconds = (now - began) / (progress.step - first) * (progress.steps - progress.step)
        hours, minutes = divmod(round(seconds / 60), 60)
        return f", {hours} h {minutes} min left" if hours else f", {minutes} min left"

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            from tqdm import tqdm

            self._bar = tqdm(
                initial=progress.step,
                total=progress.steps,
                unit="step",
                file=sys.stderr,
                dynamic_ncols=True,
            )
        self._bar.set_postfix_str(f"{progress.phase}: loss {progress.loss:.4g}", refresh=False)
        self._bar.update(progress.step - self._bar.n)


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
    """Whether SIGINT or SIGTERM came; a second one ends the process at once."""
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
