"""From planned tasks to the work that a run is given."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Protocol, TypeVar

from mattecli.jobs.account import Work
from mattecli.jobs.journal import open_journal
from mattecli.jobs.plan import files_read, goes_to_one_place
from mattecli.jobs.task import Task
from mattecli.settings import InputOptions, ModelOptions, OutputOptions

__all__ = ["as_settings", "journalled_work"]

T = TypeVar("T", bound=Task)


class _Places(Protocol):
    """Options that say where inputs come from and outputs go."""

    @property
    def source(self) -> InputOptions: ...

    @property
    def target(self) -> OutputOptions: ...


def as_settings(options: ModelOptions) -> dict[str, object]:
    """What was asked of a model, for the report; without what was not."""
    asked = asdict(options).items()
    return {
        name: os.fspath(value) if isinstance(value, Path) else value
        for name, value in asked
        if value not in (None, False, (), "auto")
    }


def journalled_work(
    tasks: Sequence[T],
    options: _Places,
    folder: str,
    made_with: Callable[[], Mapping[str, object]],
    *,
    settings: Mapping[str, object],
    read: Sequence[str | Path | None] = (),
) -> Work[T]:
    """The work for a recipe: the planned tasks, as the journal leaves them.

    Args:
        tasks: as planned.
        options: of the command.
        folder: where outputs go when the user says nothing.
        made_with: tells all that outputs depend on beside their inputs.
        settings: what every item is done with, for the report.
        read: files that the command reads beside its inputs, as the user gave them.

    Raises:
        UsageError: the journal cannot be read, or is needed and there is none.
    """
    one_place = goes_to_one_place(options.source, options.target.output)
    journal = open_journal(options.target, folder, made_with, one_place=one_place)
    if journal is not None:
        tasks = journal.applied(tasks, options.target)
    files = files_read(options.source, *read)
    return Work(tasks=tasks, stages=(), settings=settings, journal=journal, read=files)
