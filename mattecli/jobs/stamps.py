"""By which a file is known to have changed."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from mattecli.jobs.task import Task

__all__ = ["Stamp", "stamp_of", "stamps_of"]


class Stamp(NamedTuple):
    """A file's size in bytes, and the time of its last change in nanoseconds."""

    size: int
    changed: int

    def __str__(self) -> str:
        return f"{self.size}:{self.changed}"


def stamp_of(path: Path) -> Stamp | None:
    """A file's stamp; None where there is no such file."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return Stamp(status.st_size, status.st_mtime_ns)


def stamps_of(task: Task) -> tuple[Stamp | None, ...]:
    """The stamps of a task's input, first, and of what belongs to it."""
    companions = (found for found in task.companions.values() if isinstance(found, Path))
    return tuple(map(stamp_of, (task.source.path, *companions)))
