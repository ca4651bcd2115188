"""The process that does whole tasks, as a task or an actor of Ray Data.

It decodes, runs the network, finishes and writes in one place, through the same stages as on one
machine: between machines travel names and records, never pixels.
"""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np

from mattecli import __version__
from mattecli.cluster.parcels import Order, Reply, answer_of
from mattecli.errors import MattecliError, UsageError
from mattecli.jobs.crew import Workbench
from mattecli.jobs.runner import settle_here, share_cores
from mattecli.jobs.task import Task

__all__ = ["Worker", "work"]

_MANY = 1 << 30  # tasks, more than cores: OpenCV then has one thread for each


_here: dict[bytes, Worker] = {}  # this process's, by order


def work(batch: dict[str, Any], order: bytes) -> dict[str, Any]:
    """The replies to a batch of groups; what they need stays with the process for the next."""
    if order not in _here:
        for former in _here.values():
            former.close()
        _here.clear()
        _here[order] = Worker(order)
    return _here[order](batch)


class Worker:
    """Does groups of tasks; what they need is set up with the first.

    Args:
        order: a pickled `Order`.
    """

    def __init__(self, order: bytes) -> None:
        self._order: Order = pickle.loads(order)
        self._stack = ExitStack()
        self._bench: Workbench[Task] | None = None

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """The replies to a batch of groups, as rows of a data set."""
        replies = [pickle.dumps(self._reply(pickle.loads(group))) for group in batch["group"]]
        return {"reply": np.array(replies, dtype=object)}

    def close(self) -> None:
        """Let go of what was set up."""
        self._stack.close()

    def _reply(self, group: Sequence[tuple[int, Task]]) -> Reply:
        try:
            bench = self._ready([task for _, task in group])
        except MattecliError as error:
            return Reply(refusal=error)
        tasks = [task for _, task in group]
        for _ in settle_here(tasks, bench.stages, bench.pixels):
            pass
        answers = [answer_of(index, task) for index, task in group]
        return Reply(answers=answers, facts=dict(bench.facts))

    def _ready(self, waiting: Sequence[Task]) -> Workbench[Task]:
        if self._bench is None:
            self._settle_in()
            bench: Workbench[Task] = self._stack.enter_context(
                self._order.recipe.open(self._order.threads, waiting)
            )
            self._bench = bench
        return self._bench

    def _settle_in(self) -> None:
        """Make this process like the driver's, as far as results depend on it."""
        order = self._order
        if order.version != __version__:
            raise UsageError(
                f"a worker has mattecli {__version__}, the driver {order.version}",
                remedy="install the same on all machines",
            )
        with suppress(OSError):  # tasks with relative paths then fail by themselves
            os.chdir(order.folder)
        if order.home:
            os.environ["MATTECLI_HOME"] = order.home
        share_cores(_MANY)
        if order.keeps_memory:
            from mattecli.engine.allocator import keep_freed_memory

            keep_freed_memory()
