"""What travels between the driver and the workers: an order, groups of tasks, and answers."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mattecli.errors import MattecliError
from mattecli.jobs.task import Task
from mattecli.records import ItemRecord

__all__ = ["Answer", "Order", "Reply", "answer_of", "grouped", "take"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What every worker is told once.

    Attributes:
        recipe: how tasks are done.
        threads: how many a stage has.
        folder: the driver's current folder, from which relative paths count.
        home: where weights lie, or "" for the usual place.
        version: of the driver's program.
        keeps_memory: freed memory stays with the process, which is faster.
    """

    recipe: Any
    threads: int
    folder: str
    home: str
    version: str
    keeps_memory: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What became of one task.

    Attributes:
        index: its number among those of the run.
        record: the account of it.
        thumbs: small pictures for a report.
    """

    index: int
    record: ItemRecord
    thumbs: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a worker sends back for one group.

    Attributes:
        answers: one for each task, unless the worker could not begin.
        facts: of the worker's bench.
        refusal: why it could not begin.
    """

    answers: Sequence[Answer] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    refusal: MattecliError | None = None


def grouped(tasks: Sequence[tuple[int, Task]], size: int) -> list[dict[str, bytes]]:
    """Numbered tasks in groups, as rows of a data set."""
    groups = (tasks[begin : begin + size] for begin in range(0, len(tasks), size))
    return [{"group": pickle.dumps(list(group))} for group in groups]


def answer_of(index: int, task: Task) -> Answer:
    """The answer for a task that has ended."""
    record = task.settled or task.record("done")
    return Answer(index=index, record=_sendable(record), thumbs=task.thumbs)


def _sendable(record: ItemRecord) -> ItemRecord:
    """The record, without its exception where that cannot be pickled; the words remain."""
    try:
        pickle.loads(pickle.dumps(record.trouble))
    except Exception:  # noqa: BLE001 - whatever an exception's own pickling raises
        return replace(record, trouble=None)
    return record


def take(task: Task, answer: Answer) -> None:
    """Settle the driver's task as the worker's was."""
    task.settled, task.thumbs = answer.record, dict(answer.thumbs)
    task.size = answer.record.size
