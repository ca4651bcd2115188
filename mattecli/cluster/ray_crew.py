"""Tasks on Ray Data: groups of them stream through workers, and answers come back.

Where a worker or a machine is lost, Ray does its groups again elsewhere; writing is atomic and
gives the same bytes, and of each task the first answer counts. A task that keeps killing its worker
is given up when its group and then it alone have failed.

On CPUs the workers are tasks, whose processes Ray uses again with all that they have set up. Actors
would be lost with their machine, and the groups that they had taken would wait for a machine with
room for them again; a full cluster has none. GPUs need actors: a task would give up its GPU, and
what it had loaded there, each time.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import threading
import warnings
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import ray
import ray.data
from ray.data import ActorPoolStrategy, DataContext

from mattecli import __version__
from mattecli.cluster.parcels import Answer, Order, Reply, grouped, take
from mattecli.cluster.session import Places, connected, places
from mattecli.cluster.worker import Worker, work
from mattecli.errors import MattecliError, ResourceError, UsageError
from mattecli.interruption import Hold, next_message
from mattecli.jobs.crew import WorkRecipe
from mattecli.jobs.task import Task

__all__ = ["RayCrew"]

T = TypeVar("T", bound=Task)

_LARGEST_GROUP = 64
_GROUPS_PER_WORKER = 16  # so that none is left with much when the others have ended
_ATTEMPTS = 3  # of a group whose worker was lost, after the first
_END = None


class RayCrew:
    """Does tasks on a Ray cluster, or on this machine's cores through Ray.

    Args:
        address: ``auto``, ``HOST:PORT``, or None for this machine alone.
        workers: threads of each worker, for which as many cores are taken; 0 is one, or with GPUs
            an equal share of the cores.
    """

    def __init__(self, address: str | None = None, *, workers: int = 0) -> None:
        self._address = address
        self._workers = workers

    def settle(
        self, recipe: WorkRecipe[T], tasks: Sequence[T], hold: Hold, facts: dict[str, object]
    ) -> Generator[T]:
        """As ``Crew.settle``.

        Raises:
            UsageError: there is no such cluster, or an option makes no sense on it.
            ModelUnavailableError: a worker has no weights for the model.
            ResourceError: Ray gave up.
        """
        if not tasks:
            return
        _refuse_pipes(tasks)
        with connected(self._address):
            room = places(self._workers, wants_gpu=_wants_gpu(recipe))
            stream = _Stream(room, _order(recipe, room))
            yield from _in_order(tasks, stream, hold, facts)


def _refuse_pipes(tasks: Sequence[Task]) -> None:
    if any(task.source.is_stdin or None in task.outputs.values() for task in tasks):
        raise UsageError(
            "standard input and output are not for --engine ray", remedy="give files and -o FOLDER"
        )


def _wants_gpu(recipe: object) -> bool:
    """Whether a recipe runs a network, which may run on a GPU.

    Raises:
        UsageError: GPUs are named, which Ray hands out.
    """
    device = getattr(getattr(recipe, "options", None), "device", None)
    if device is None:
        return False
    if device.devices is not None:
        raise UsageError("--devices is for one machine", remedy="leave it out: Ray hands out GPUs")
    return device.device in ("auto", "cuda")


def _order(recipe: object, room: Places) -> bytes:
    device = getattr(getattr(recipe, "options", None), "device", None)
    order = Order(
        recipe=recipe,
        threads=room.cpus,
        folder=str(Path.cwd()),
        home=os.environ.get("MATTECLI_HOME", ""),
        version=__version__,
        keeps_memory=device is not None and device.max_memory is None,
    )
    return pickle.dumps(order)


class _Stream:
    """Sends groups of tasks through workers, and takes replies in whatever order they come.

    Args:
        room: how many workers there are, and what each takes.
        order: what they are told.
    """

    def __init__(self, room: Places, order: bytes) -> None:
        self._room = room
        self._order = order
        self._stopping = False
        self.replies: queue.SimpleQueue[Reply | BaseException | None] = queue.SimpleQueue()

    def send(self, tasks: Sequence[tuple[int, Task]], size: int) -> None:
        """Send tasks to workers, in groups of at most ``size``; after their replies comes None."""
        rows = grouped(tasks, size)
        thread = threading.Thread(target=self._drain, args=(rows,), name="ray", daemon=True)
        thread.start()

    def largest(self, tasks: int) -> int:
        """The size of groups that keeps all workers busy to the end."""
        share = tasks // (self._room.count * _GROUPS_PER_WORKER)
        return max(1, min(share, _LARGEST_GROUP))

    def stop(self) -> None:
        """Take no more replies."""
        self._stopping = True

    def _drain(self, rows: list[dict[str, bytes]]) -> None:
        try:
            for row in self._answered(rows).iter_rows():
                self.replies.put(pickle.loads(row["reply"]))
                if self._stopping:
                    break
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self.replies.put(error)
        self.replies.put(_END)

    def _answered(self, rows: list[dict[str, bytes]]) -> ray.data.Dataset:
        _calm()
        room = self._room
        groups = ray.data.from_items(rows, override_num_blocks=len(rows))
        if not room.gpus:
            with warnings.catch_warnings():  # Ray has no other way to bound retries yet
                warnings.simplefilter("ignore", DeprecationWarning)
                return groups.map_batches(
                    work,
                    fn_args=(self._order,),
                    batch_size=1,
                    num_cpus=room.cpus,
                    max_retries=_ATTEMPTS,
                )
        return groups.map_batches(
            Worker,
            fn_constructor_args=(self._order,),
            batch_size=1,
            compute=ActorPoolStrategy(size=min(room.count, len(rows))),
            num_cpus=room.cpus,
            num_gpus=room.gpus,
        )


def _calm() -> None:
    """Have Ray Data say nothing, and go on when a group is lost for good."""
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.max_errored_blocks = -1


def _in_order(
    tasks: Sequence[T], stream: _Stream, hold: Hold, facts: dict[str, object]
) -> Generator[T]:
    """The tasks as their turn comes; what ends early waits for it, or is settled at the end."""
    hold.on_request(lambda: stream.replies.put(_END))
    turns = _Turns(tasks)
    try:
        for size in (stream.largest(len(tasks)), 1):  # what a lost group leaves is tried alone
            missing = turns.missing()
            if not missing:
                break
            stream.send(missing, size)
            while (reply := next_message(stream.replies)) is not _END:
                facts |= _accepted(reply, tasks, turns.early)
                yield from turns.due()
            if hold.requested:
                return
        yield from turns.rest()
    finally:
        stream.stop()
        turns.close()


class _Turns(Generic[T]):
    """Tasks that are given back in their order, and answers that came before their turn.

    Args:
        tasks: all of them.

    Attributes:
        early: answers by their task's number.
    """

    def __init__(self, tasks: Sequence[T]) -> None:
        self._tasks = tasks
        self._turn = 0
        self.early: dict[int, Answer] = {}

    def missing(self) -> list[tuple[int, T]]:
        """The numbered tasks that have no answer."""
        return [
            (number, task)
            for number, task in enumerate(self._tasks)
            if task.settled is None and number not in self.early
        ]

    def due(self) -> Generator[T]:
        """The tasks whose turn has come and whose answers are here."""
        while self._turn in self.early:
            yield self._next()

    def rest(self) -> Generator[T]:
        """All tasks that are left; those without an answer have failed."""
        while self._turn < len(self._tasks):
            yield self._next()

    def close(self) -> None:
        """Settle what was answered and is not given back any more."""
        for number, answer in self.early.items():
            take(self._tasks[number], answer)

    def _next(self) -> T:
        task = self._tasks[self._turn]
        _settle(task, self.early.pop(self._turn, None))
        self._turn += 1
        return task


def _accepted(
    reply: Reply | BaseException, tasks: Sequence[Task], early: dict[int, Answer]
) -> dict[str, object]:
    """Keep the first answer for each task in ``early``; returns the worker's facts."""
    if isinstance(reply, MattecliError):
        raise reply
    if isinstance(reply, BaseException):
        said = " ".join(f"{type(reply).__name__}: {reply}".split())[:300]
        raise ResourceError(
            f"Ray gave up ({said})", remedy="mend the cluster and run again with --existing skip"
        ) from reply
    if reply.refusal is not None:
        raise reply.refusal
    for answer in reply.answers:
        if tasks[answer.index].settled is None:
            early.setdefault(answer.index, answer)
    return dict(reply.facts)


def _settle(task: Task, answer: Answer | None) -> None:
    """Settle a task as was answered, or as failed where nothing came back."""
    if answer is not None:
        take(task, answer)
        return
    error = ResourceError(
        "each worker that took it died",
        path=task.source.path,
        remedy="it may need more memory than a machine of the cluster has; give fewer --workers",
    )
    task.settled = task.failure(error)
