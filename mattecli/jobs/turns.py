"""Tasks one after the other, in the caller's thread, so that an interrupt reaches the work."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from mattecli.interruption import Hold
from mattecli.jobs.runner import Observer, Work, accounted, begin_run, foreseen
from mattecli.jobs.task import Task
from mattecli.records import ItemRecord, Report
from mattecli.settings import RunOptions

__all__ = ["run_in_turn"]

T = TypeVar("T", bound=Task)


def run_in_turn(
    work: Work[T], run: RunOptions, observer: Observer, do: Callable[[T], ItemRecord]
) -> Report:
    """Do each task to its end; one task's failure never stops the others unless ``fail_fast``.

    Args:
        work: the tasks; its stages are not used.
        run: how.
        observer: is told of each task as it ends.
        do: the work on one task; what it raises is that task's failure.

    Returns:
        The account, also after SIGINT and SIGTERM.
    """
    begin_run(work, run, observer)
    with accounted(work, run, observer) as account:
        for task in work.tasks:
            if task.settled is None:
                task.settled = foreseen(task) if run.dry_run else _settled(task, do)
            with Hold():
                account.add(task)
            if task.settled.status == "failed" and run.fail_fast:
                break
    return account.report


def _settled(task: T, do: Callable[[T], ItemRecord]) -> ItemRecord:
    try:
        return do(task)
    except Exception as error:  # noqa: BLE001 - the boundary: one input's failure is recorded
        return task.failure(error)
