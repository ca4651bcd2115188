"""A run that goes on: photos are done as they come into the input folders (a hot folder)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Generic, TypeVar

from mattecli.engine.stage import Control
from mattecli.errors import MattecliError, UsageError, shown_path
from mattecli.interruption import Hold
from mattecli.jobs.account import Observer, Work, accounted
from mattecli.jobs.crew import WorkRecipe
from mattecli.jobs.limits import time_limit
from mattecli.jobs.runner import begin_run, settle_here, share_cores, worker_count
from mattecli.jobs.stamps import Stamp, stamps_of
from mattecli.jobs.task import Task
from mattecli.media.paths import is_folder, is_there
from mattecli.media.patterns import has_wildcards
from mattecli.media.stores.place import as_path, is_stored
from mattecli.records import Report
from mattecli.settings import MatteOptions, RunOptions

__all__ = ["check_watched", "run_watching"]

T = TypeVar("T", bound=Task)

_PIECE = 0.5  # seconds; a signal that comes just before a wait is handled when the wait ends
_SETTLED = 2.0
_LEAST, _MOST = 0.1, 86_400.0
_Stamps = tuple[Stamp | None, ...]


def check_watched(options: MatteOptions) -> None:
    """Refuse what cannot be watched, or goes together with watching badly.

    Raises:
        UsageError: there is such an option, or no folder among the inputs.
    """
    seconds = options.watch.watch
    if seconds is None:
        return
    if not _LEAST <= seconds <= _MOST:
        raise UsageError(f"--watch {seconds:g} makes no sense", remedy="try 2")
    refused = (
        ("--dry-run", options.run.dry_run),
        ("--engine", options.engine.engine != "local"),
        ("--existing error", options.target.existing == "error"),
        ("--retry-failed", options.target.retry_failed),
        ("--output -", options.target.output == "-"),
        ("--files-from", options.source.files_from is not None),
        ("{index} in --name", "{index" in options.target.name),  # which newcomers would change
    )
    for name, given in refused:
        if given:
            raise UsageError(f"{name} is not for --watch", remedy="leave one of them out")
    places = [as_path(text) for text in options.source.inputs]
    if not any(is_folder(place) and not is_stored(place) for place in places):
        raise UsageError("--watch needs a folder to look into", remedy="name one as input")
    for text, place in zip(options.source.inputs, places, strict=True):
        if not (is_stored(place) or is_there(place) or has_wildcards(text)):
            raise UsageError("there is no such folder", path=place, remedy="check the name")


def run_watching(
    recipe: WorkRecipe[T],
    work: Work[T],
    plan: Callable[[], Sequence[T]],
    run: RunOptions,
    observer: Observer,
    seconds: float,
) -> Report:
    """Do what is there and what comes, until an interrupt or, with ``fail_fast``, a failure.

    A photo is done once; again when it changes. One that is still being written is left for the
    next look: its size and time must be the same as at the last.

    Args:
        recipe: sets up the stages, once.
        work: the first plan.
        plan: makes the next ones; settles what is there already.
        run: how.
        observer: is told of each photo as it ends.
        seconds: between two looks.

    Returns:
        The account of all rounds.
    """
    begin_run(work, run, observer)
    with recipe.open(worker_count(run), []) as bench:
        if work.remark:
            observer.note(work.remark)
        settings = {**work.settings, **bench.facts}
        begun = replace(work, tasks=(), settings=settings)
        arrivals = _Arrivals(work.tasks, plan, observer, seconds)
        with accounted(begun, run, observer) as account, Hold() as hold:
            while not hold.requested:
                tasks = arrivals.ready()
                account.expect(tasks)
                share_cores(len(tasks))
                control: Control[T] = Control(hold=hold, limit=time_limit(run))
                ended = settle_here(tasks, bench.stages, bench.pixels, control)
                with closing(ended):
                    for task in ended:
                        account.add(task)
                        observer.note(f"{shown_path(task.source.path)}: {_status(task)}")
                if run.fail_fast and account.report.failed:
                    break
                _wait(hold, seconds)
    return account.report


def _status(task: Task) -> str:
    return "done" if task.settled is None else task.settled.status


def _wait(hold: Hold, seconds: float) -> None:
    """Until the next look, or an interrupt."""
    woken = threading.Event()
    hold.on_request(woken.set)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0 and not woken.wait(min(left, _PIECE)):
        pass


class _Arrivals(Generic[T]):
    """Photos that are whole and were not done yet.

    Args:
        first: the tasks for the first look.
        plan: tasks for all that is there at a later one.
        observer: is told once of a plan that cannot be made.
        seconds: a photo that has not changed for as long counts as whole at the first look.
    """

    def __init__(
        self,
        first: Sequence[T],
        plan: Callable[[], Sequence[T]],
        observer: Observer,
        seconds: float,
    ) -> None:
        self._first: Sequence[T] | None = first
        self._plan = plan
        self._observer = observer
        self._old = time.time_ns() - int(max(seconds, _SETTLED) * 1e9)
        self._seen: dict[Path, _Stamps] = {}
        self._begun: dict[Path, _Stamps] = {}
        self._trouble = ""

    def ready(self) -> list[T]:
        """Those that are to be done now."""
        try:
            tasks = self._plan() if self._first is None else self._first
            self._first = None
            self._trouble = ""
        except MattecliError as error:
            if str(error) != self._trouble:
                self._observer.note(f"{error}; looking on")
            self._trouble = str(error)
            return []
        found: dict[Path, _Stamps] = {}
        ready = []
        for task in tasks:
            path = task.source.path
            stamp = stamps_of(task)
            if stamp[0] is None or task.source.error is not None:
                continue  # it has gone again, or is a folder without photos
            found[path] = stamp
            newest = max(one.changed for one in stamp if one is not None)
            is_whole = self._seen.get(path) == stamp or newest < self._old
            begun = self._begun.get(path)
            is_wanted = task.settled is None if begun is None else begun != stamp
            if is_wanted and is_whole:
                task.settled = None  # it is there, made of what has changed since
                ready.append(task)
                self._begun[path] = stamp
        self._seen = found
        self._begun = {path: stamp for path, stamp in self._begun.items() if path in found}
        return ready
