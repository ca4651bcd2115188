"""Bounded, ordered stages, and the threads that work in them.

Items flow source -> stage -> stage -> outcomes. Each stage has its own worker threads and may
take items one by one or in groups of one key (batches). How much is under way at once is bounded
by a budget in units of the caller's choice (pixels, say), so memory does not grow with the number
of items. Outcomes come back in the order of the source. An item that fails leaves the pipeline
with its error; the others go on.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from mattecli.engine.stage import Control, Limit, Outcome, Stage
from mattecli.engine.watch import GivenUp, Shift, Watch, is_lost
from mattecli.errors import UsageError
from mattecli.interruption import next_message

__all__ = ["Control", "Limit", "Outcome", "Stage", "run_stages"]

T = TypeVar("T")
_END = None
_LOOK_SECONDS = 0.2
_KEYS_AT_ONCE = 4  # groups that a worker may be collecting items for


class _Budget:
    """Admits items while the sum of their costs stays within a total, one at least."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._used = 0
        self._changed = threading.Condition()
        self._closed = False

    def take(self, cost: int) -> bool:
        """Wait for room; False once closed."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or self._used == 0 or self._used + cost <= self._total
            )
            self._used += cost
            return not self._closed

    def give(self, cost: int) -> None:
        with self._changed:
            self._used -= cost
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()


@dataclass(slots=True, eq=False)
class _Ticket(Generic[T]):
    """An item under way: its place in the order and its share of the budget."""

    index: int
    cost: int
    outcome: Outcome[T]
    is_given_up: bool = False


class _Run(Generic[T]):
    def __init__(self, stages: Sequence[Stage[T]], budget: int, limit: Limit[T] | None) -> None:
        self.stages = stages
        self.limit = limit
        self.watch = None if limit is None else Watch(limit.seconds)
        self.threads: list[threading.Thread] = []
        self.budget = _Budget(budget)
        self.stopping = threading.Event()
        self.queues: list[queue.SimpleQueue[_Ticket[T] | None]] = [
            queue.SimpleQueue() for _ in stages
        ]
        self.done: queue.SimpleQueue[_Ticket[T] | int | BaseException | None] = queue.SimpleQueue()
        self.early: dict[int, Outcome[T]] = {}

    def feed(self, items: Iterable[T], cost: Callable[[T], int]) -> None:
        """Admit items as the budget allows, then tell the consumer how many there were."""
        count = 0
        try:
            for item in items:
                share = cost(item)
                if not self.budget.take(share) or self.stopping.is_set():
                    break
                self.queues[0].put(_Ticket(count, share, Outcome(item)))
                count += 1
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, who raises it
            self.done.put(error)
        self.done.put(count)

    def leave(self, ticket: _Ticket[T]) -> None:
        self.budget.give(ticket.cost)
        self.done.put(ticket)

    def start(self, number: int) -> None:
        """One more worker thread for stage ``number``."""
        name = self.stages[number].name
        thread = threading.Thread(target=self._serve, args=(number,), name=name, daemon=True)
        self.threads.append(thread)
        thread.start()

    def join(self) -> None:
        """Wait for all threads except those that were left behind."""
        for thread in self.threads:
            while thread.is_alive() and not is_lost(thread):
                thread.join(_LOOK_SECONDS if self.watch is not None else None)
        if self.watch is not None:
            self.watch.close()

    def _serve(self, number: int) -> None:
        """Body of a worker thread."""
        with suppress(GivenUp):
            self._serve_until_the_end(number)

    def _serve_until_the_end(self, number: int) -> None:
        stage, inbox = self.stages[number], self.queues[number]
        waiting: deque[_Ticket[T]] = deque()
        while True:
            if not waiting:
                ticket = inbox.get()
                if ticket is _END:
                    inbox.put(_END)  # for the stage's other workers
                    return
                waiting.append(ticket)
            self._collect(stage, inbox, waiting)
            if not self._process(number, self._take_group(stage, waiting), waiting):
                return

    @staticmethod
    def _collect(
        stage: Stage[T], inbox: queue.SimpleQueue[_Ticket[T] | None], waiting: deque[_Ticket[T]]
    ) -> None:
        """Add what is already there, without waiting for more."""
        enough = 1 if stage.group == 1 else stage.group * _KEYS_AT_ONCE
        while len(waiting) < enough:
            try:
                ticket = inbox.get_nowait()
            except queue.Empty:
                return
            if ticket is _END:
                inbox.put(_END)
                return
            waiting.append(ticket)

    @staticmethod
    def _take_group(stage: Stage[T], waiting: deque[_Ticket[T]]) -> list[_Ticket[T]]:
        """The oldest item and those of its key, oldest first."""
        key = stage.key(waiting[0].outcome.item)
        group = [t for t in waiting if stage.key(t.outcome.item) == key][: stage.group]
        for ticket in group:
            waiting.remove(ticket)
        return group

    def _process(self, number: int, group: list[_Ticket[T]], waiting: deque[_Ticket[T]]) -> bool:
        """Do the work of stage ``number`` on a group; False if the thread was left behind."""
        stage = self.stages[number]
        if self.stopping.is_set():
            return True
        shift = Shift(
            lambda seconds: self._give_up(group, seconds / len(group)),
            lambda: self._replace(number, waiting),
        )
        begin = time.perf_counter()
        error: Exception | None = None
        if self.watch is not None:
            self.watch.begin(shift)
        try:
            stage.work([ticket.outcome.item for ticket in group])
        except Exception as caught:  # noqa: BLE001 - the boundary: one item's failure is recorded
            error = caught
        finally:
            is_mine = self.watch is None or self.watch.end(shift)
        if not is_mine:
            return False
        share = (time.perf_counter() - begin) / len(group)
        last = number + 1 == len(self.stages)
        for ticket in group:
            if ticket.is_given_up:
                continue
            ticket.outcome.seconds[stage.name] = share
            ticket.outcome.error = error
            if last or error is not None:
                self.leave(ticket)
            else:
                self.queues[number + 1].put(ticket)
        return True

    def _give_up(self, group: Sequence[_Ticket[T]], seconds: float) -> bool:
        """Give up the items of a group that take too long; whether none is left."""
        limit = self.limit
        if limit is None:
            return False
        for ticket in group:
            outcome = ticket.outcome
            late = sum(outcome.seconds.values()) + seconds > limit.seconds
            if late and not ticket.is_given_up and limit.give_up(outcome.item):
                ticket.is_given_up = True
                outcome.error = limit.error(outcome.item)
                self.leave(ticket)
        return all(ticket.is_given_up for ticket in group)

    def _replace(self, number: int, waiting: deque[_Ticket[T]]) -> None:
        """A thread was left behind: another takes over its place and the items it had waiting."""
        while waiting:
            self.queues[number].put(waiting.popleft())
        self.start(number)


def run_stages(
    items: Iterable[T],
    stages: Sequence[Stage[T]],
    *,
    budget: int,
    cost: Callable[[T], int] = lambda _item: 1,
    unclaimed: Callable[[Outcome[T]], None] = lambda _outcome: None,
    control: Control[T] | None = None,
) -> Generator[Outcome[T]]:
    """Send ``items`` through ``stages`` and yield their outcomes in order.

    Closing the iterator early stops the pipeline: nothing more is admitted, and items under way
    stop after their current stage.

    Args:
        items: read from a thread, only as fast as the budget allows.
        stages: at least one.
        budget: the sum of costs that may be under way; an item that costs more goes alone.
        cost: what one item takes of the budget while it is under way.
        unclaimed: called, in order, with outcomes that were there but not yet yielded when the
            iterator was closed or interrupted.
        control: what may end an item's or all work early.

    Raises:
        UsageError: without stages.
        Exception: whatever the source iterator raised, after the outcomes before it.
    """
    if not stages:
        raise UsageError("a pipeline needs at least one stage")
    control = control or Control()
    run = _Run(stages, budget, control.limit)
    if control.hold is not None:
        control.hold.on_request(lambda: run.done.put(_END))
    feeder = threading.Thread(target=run.feed, args=(items, cost), name="feed", daemon=True)
    run.threads.append(feeder)
    feeder.start()
    for number, stage in enumerate(stages):
        for _ in range(stage.workers):
            run.start(number)
    try:
        yield from _in_order(run)
    finally:
        run.stopping.set()
        run.budget.close()
        for inbox in run.queues:
            inbox.put(_END)
        run.join()
        for outcome in _left_over(run):
            unclaimed(outcome)


def _left_over(run: _Run[T]) -> list[Outcome[T]]:
    """What ended without being yielded, in order."""
    while not run.done.empty():
        message = run.done.get()
        if isinstance(message, _Ticket):
            run.early[message.index] = message.outcome
    return [run.early[index] for index in sorted(run.early)]


def _in_order(run: _Run[T]) -> Iterator[Outcome[T]]:
    """Outcomes in the order of the source; those that end early are kept until their turn."""
    expected: int | None = None
    failure: BaseException | None = None
    turn = 0
    while expected is None or turn < expected:
        message = next_message(run.done)
        if message is _END:
            return
        if isinstance(message, int):
            expected = message
        elif isinstance(message, BaseException):
            failure = message
        else:
            run.early[message.index] = message.outcome
        while turn in run.early:
            yield run.early.pop(turn)
            turn += 1
    if failure is not None:
        raise failure
