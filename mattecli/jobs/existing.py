"""What becomes of a task whose outputs are there already: ``--existing``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mattecli.errors import MattecliError, shown_path
from mattecli.jobs.task import Task
from mattecli.settings.common import Existing

__all__ = ["Look", "settle_existing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How a job finds out about an output.

    Attributes:
        is_made: whether it is there, all of it.
        is_sound: whether what is there is undamaged.
        first: a file of it that is there, or None; numbered images are many files.
        error: the failure of a task that must not overwrite it.
    """

    is_made: Callable[[Path], bool]
    is_sound: Callable[[Path], bool]
    first: Callable[[Path], Path | None]
    error: type[MattecliError]


def settle_existing(task: Task, existing: Existing, look: Look) -> None:
    """Settle a task as skipped or failed where its outputs exist and shall not be overwritten.

    Outputs appear whole, so one that is there is complete, unless it was damaged since.
    """
    places = [path for path in task.outputs.values() if path is not None]
    if existing == "skip" and places:
        made = [path for path in places if look.is_made(path)]
        damaged = [path for path in made if not look.is_sound(path)]
        task.notes += [f"{shown_path(path)} was damaged, and is made again" for path in damaged]
        if len(made) - len(damaged) == len(task.outputs):
            task.settled = task.record("skipped")
    if existing == "error":
        there = next(filter(None, map(look.first, places)), None)
        if there is not None:
            remedy = "remove it, or use --existing overwrite or skip"
            task.settled = task.failure(look.error("exists already", path=there, remedy=remedy))
