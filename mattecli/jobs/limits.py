"""Bounds on what one input may take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from mattecli.engine.memory import parse_size, shown_bytes
from mattecli.engine.stage import Limit, Stage
from mattecli.errors import InputError, ResourceError, UsageError
from mattecli.jobs.task import Task
from mattecli.media.confinement import require_inside, require_writable
from mattecli.media.disk import free_bytes, require_room
from mattecli.settings import RunOptions

__all__ = [
    "Room",
    "checked_first",
    "require_place",
    "seconds_allowed",
    "time_limit",
    "took_too_long",
]

T = TypeVar("T", bound=Task)

_FIRST_LOOK = 20  # inputs: the size of their outputs tells what the rest will take
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


def checked_first(stages: Sequence[Stage[T]]) -> list[Stage[T]]:
    """Stages of which the first refuses tasks whose outputs cannot be written, before any work."""
    if not stages:
        return []
    first, *rest = stages

    def work(group: Sequence[T]) -> None:
        for task in group:
            require_place(task)
        first.work(group)

    return [replace(first, work=work), *rest]


def require_place(task: Task) -> None:
    """Refuse a task whose outputs cannot be written where they are to be.

    Raises:
        ImageWriteError: a link leads elsewhere, the folder is read-only, the disk full.
    """
    for path in filter(None, task.outputs.values()):
        require_inside(path, task.root)
        require_writable(path)
        require_room(path, 1, task.min_free)


class Room:
    """Watches the disk of a run's outputs.

    Args:
        tasks: of the run.
        run: says how much has to stay free.
        tell: told once, when the disk will be full before the end.

    Raises:
        UsageError: ``--min-free`` is no size.
        ResourceError: less than that is free already.
    """

    def __init__(self, tasks: Sequence[Task], run: RunOptions, tell: Callable[[str], None]) -> None:
        self._least = parse_size(run.min_free, "--min-free")
        self._tell = tell
        self._waiting = {task for task in tasks if task.settled is None}
        self._done = self._bytes = 0
        self._next_look = _FIRST_LOOK
        self._place = next(filter(None, (task.first_place for task in tasks)), None)
        for task in tasks:
            task.min_free = self._least
        if self._place is None or run.dry_run or not self._waiting:
            return
        free = free_bytes(self._place.parent)
        if free is not None and free < self._least:
            raise ResourceError(
                f"its disk has {shown_bytes(free)} free, less than --min-free {run.min_free}",
                path=self._place.parent,
                remedy="free some space, or choose another output folder",
            )

    def after(self, task: Task) -> None:
        """A task has ended: from time to time, see whether the rest has room."""
        self._waiting.discard(task)
        if not task.written:
            return
        self._done += 1
        self._bytes += task.written
        if self._done < self._next_look or self._place is None:
            return
        self._next_look *= 2
        free = free_bytes(self._place.parent)
        left = len(self._waiting)
        needed = left * self._bytes // self._done
        if free is not None and free - self._least < needed:
            self._next_look = 1 << 62
            self._tell(
                f"the disk will be full before the end: {shown_bytes(free)} are free, the"
                f" {left} inputs that are left may take {shown_bytes(needed)}"
            )
