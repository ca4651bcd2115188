"""Bounds on what one input may take."""

from __future__ import annotations

from typing import TypeVar

from mattecli.engine.stage import Limit
from mattecli.errors import InputError, UsageError
from mattecli.jobs.plan import Task
from mattecli.settings import RunOptions

__all__ = ["seconds_allowed", "time_limit", "took_too_long"]

T = TypeVar("T", bound=Task)

_LONGEST = 1e7  # seconds; a third of a year


def seconds_allowed(run: RunOptions) -> float | None:
    """``--timeout``.

    Raises:
        UsageError: it makes no sense.
    """
    if run.timeout is not None and not 0 < run.timeout < _LONGEST:
        raise UsageError(f"--timeout {run.timeout:g} makes no sense", remedy="try 60")
    return run.timeout


def took_too_long(task: Task, seconds: float) -> InputError:
    """The failure of a task that had ``seconds``."""
    return InputError(
        f"it was given up after {seconds:g} seconds",
        path=task.source.path,
        remedy="raise --timeout if it is worth more",
    )


def time_limit(run: RunOptions) -> Limit[T] | None:
    """The pipeline's limit for ``--timeout``, or None.

    Raises:
        UsageError: it makes no sense.
    """
    seconds = seconds_allowed(run)
    if seconds is None:
        return None
    return Limit(
        seconds=seconds,
        give_up=lambda task: task.give_up(),
        error=lambda task: took_too_long(task, seconds),
    )
