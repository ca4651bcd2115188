"""Tasks one after the other, in the caller's thread, so that an interrupt reaches the work."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from mattecli.interruption import Hold, forget_interrupts
from mattecli.jobs.runner import Account, Observer, Work, begin_journal, reason
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
    begin = time.perf_counter()
    begin_journal(work, run, observer)
    account = Account(work, run, observer)
    observer.started(len(work.tasks))
    try:
        for task in work.tasks:
            if task.settled is None:
                task.wants_thumbs = account.wants_pictures
                task.settled = task.record("planned") if run.dry_run else _settled(task, do)
            with Hold():
                account.add(task)
            if task.settled.status == "failed" and run.fail_fast:
                break
    except KeyboardInterrupt:
        forget_interrupts()
        account.report = replace(account.report, interrupted=True)
    return account.close(time.perf_counter() - begin)


def _settled(task: T, do: Callable[[T], ItemRecord]) -> ItemRecord:
    try:
        return do(task)
    except Exception as error:  # noqa: BLE001 - the boundary: one input's failure is recorded
        return replace(task.record("failed"), outputs={}, error=reason(error, task), trouble=error)
