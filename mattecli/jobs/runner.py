"""What all jobs on folders of images share: from a plan of tasks to a report."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import cv2

from mattecli.engine.cores import available_cores
from mattecli.engine.pipeline import run_stages
from mattecli.engine.stage import Control, Limit, Outcome, Stage
from mattecli.errors import ImageReadError, MattecliError, UsageError
from mattecli.interruption import Hold
from mattecli.jobs.account import Account, Observer, Silent, Work, accounted
from mattecli.jobs.crew import PIXELS_UNDER_WAY, CrewFor, Workbench, WorkRecipe
from mattecli.jobs.limits import Room, checked_first, time_limit
from mattecli.jobs.task import Task
from mattecli.media.leftovers import remove_leftovers
from mattecli.media.stores.place import is_stored
from mattecli.records import ItemRecord, Report
from mattecli.settings import RunOptions

__all__ = [
    "Account",
    "Observer",
    "Silent",
    "Work",
    "accounted",
    "begin_run",
    "each",
    "foreseen",
    "run_recipe",
    "run_tasks",
    "settle_here",
    "share_cores",
    "worker_count",
]

Item = TypeVar("Item")
T = TypeVar("T", bound=Task)

_TASKS_PER_WORKER = 4
_MOST_WORKERS = 256


def each(work: Callable[[Item], None]) -> Callable[[Sequence[Item]], None]:
    """A stage's work on groups, from work on one item."""

    def on_group(group: Sequence[Item]) -> None:
        for item in group:
            work(item)

    return on_group


def worker_count(run: RunOptions) -> int:
    """Threads of a stage: as asked, or one a core that this process may use.

    Raises:
        UsageError: an impossible number was asked for.
    """
    if not 0 <= run.workers <= _MOST_WORKERS:
        raise UsageError(
            f"--workers {run.workers} is no number of threads", remedy=f"give 0 to {_MOST_WORKERS}"
        )
    return run.workers or available_cores()


def run_tasks(work: Work[T], run: RunOptions, observer: Observer) -> Report:
    """Do the work; one task's failure never stops the others unless ``fail_fast``.

    Returns:
        The account, also after SIGINT and SIGTERM.
    """
    begin_run(work, run, observer)
    limit: Limit[T] | None = time_limit(run)
    if limit is not None and work.elsewhere is not None:
        raise UsageError("--timeout is for --engine local", remedy="leave it out")
    room = Room(work.tasks, run, observer.note)
    with (
        accounted(work, run, observer) as account,
        Hold() as hold,
        closing(_settled(work, run, Control(hold=hold, limit=limit))) as tasks,
    ):
        share_cores(len(work.tasks))
        for task in tasks:
            account.add(task)
            room.after(task)
            failed = task.settled is not None and task.settled.status == "failed"
            if hold.requested or (failed and run.fail_fast):
                break
    return account.report


def begin_run(work: Work[T], run: RunOptions, observer: Observer) -> None:
    """Make the places ready: nothing stands in the way of what is written, what killed runs left
    half written is gone, and the journal, if there is one, is open.

    Raises:
        UsageError: reports, the journal and images would meet; or it cannot be used.
    """
    journal = work.journal
    _check_places(work, run)
    if run.dry_run:
        return
    # Of folders alone: a script may write one named file after the other.
    in_folders = (task for task in work.tasks if task.root is not None)
    places = (path for task in in_folders for path in task.outputs.values() if path is not None)
    for folder in {path.parent for path in places}:
        remove_leftovers(folder)
    if journal is None:
        return
    journal.open()
    for remark in journal.remarks():
        observer.note(remark)


def run_recipe(
    recipe: WorkRecipe[T],
    work: Work[T],
    run: RunOptions,
    observer: Observer,
    crew: CrewFor[T] | None,
) -> Report:
    """Do the work by a recipe, here or elsewhere; as ``run_tasks``.

    Args:
        recipe: sets up the stages.
        work: without stages; the bench's facts are added to its settings.
        run: how.
        observer: is told of each task as it ends.
        crew: does it elsewhere; None: it is done here.
    """
    settings = {**work.settings}
    work = replace(work, settings=settings)
    if run.dry_run:
        return run_tasks(work, run, observer)
    if crew is not None:
        _remark(work, observer)
        work = replace(work, elsewhere=partial(crew.settle, recipe, facts=settings))
        return run_tasks(work, run, observer)
    waiting = [task for task in work.tasks if task.settled is None]
    with recipe.open(worker_count(run), waiting) as bench:
        _remark(work, observer)
        _say(bench, work.tasks, run, observer)
        settings |= bench.facts
        prepared = replace(work, stages=bench.stages, pixels=bench.pixels)
        return run_tasks(prepared, run, observer)


def _remark(work: Work[T], observer: Observer) -> None:
    if work.remark:
        observer.note(work.remark)


def _say(bench: Workbench[T], tasks: Sequence[T], run: RunOptions, observer: Observer) -> None:
    """Tell the observer what is known of a bench."""
    if bench.facts:
        known = ", ".join(f"{key} {value}" for key, value in bench.facts.items())
        observer.note(known, detail=True)
    if run.verbose and bench.forecast is not None:  # since it looks at every photo
        largest = max((task.source_pixels() for task in tasks), default=0)
        observer.note(f"memory: {bench.forecast(largest)}", detail=True)


def share_cores(tasks: int) -> None:
    """Let OpenCV thread its functions only where there are fewer photos than cores.

    Photos side by side keep all cores busy; more threads would only wait for each other.
    """
    cv2.setNumThreads(1 if tasks >= available_cores() else -1)


def _check_places(work: Work[T], run: RunOptions) -> None:
    """Reports, the journal and JSON lines must not meet images, what is read, or each other.

    Raises:
        UsageError: they would.
    """
    tasks = work.tasks
    if run.json and any(None in task.outputs.values() for task in tasks):
        raise UsageError(
            "standard output takes either the image or --json",
            remedy="give -o FILE, or --report FILE.jsonl",
        )
    images = {
        os.path.realpath(path)
        for task in tasks
        for path in (task.source.path, *task.outputs.values(), *task.companions.values())
        if isinstance(path, Path)
    }
    taken = {os.path.realpath(path): "a file that is read" for path in work.read}
    taken |= dict.fromkeys(images, "an image")
    journal = None if work.journal is None else work.journal.path
    named = [("report", Path(report)) for report in run.report]
    if journal is not None and not is_stored(journal):
        named.append(("journal", journal))
    for what, path in named:
        real = os.path.realpath(path)
        if real in taken:
            raise UsageError(
                f"the {what} would take the place of {taken[real]}",
                path=path,
                remedy="name another",
            )
        taken[real] = f"the {what}"


def _settled(work: Work[T], run: RunOptions, control: Control[T]) -> Generator[T]:
    """All tasks in order, each with its record; an interrupt ends them early."""
    if run.dry_run:
        for task in work.tasks:
            task.settled = task.settled or foreseen(task)
            yield task
        return
    waiting = [task for task in work.tasks if task.settled is None]
    if work.elsewhere is None:
        ended = settle_here(waiting, work.stages, work.pixels, control)
    else:
        ended = work.elsewhere(waiting, control.hold or Hold())
    with closing(ended):
        for task in work.tasks:
            if task.settled is None and next(ended, None) is None:
                return
            yield task


def foreseen(task: Task) -> ItemRecord:
    """What a run would make of a task, as far as is known: a missing file fails it."""
    missing = (file for file in task.companions.values() if isinstance(file, Exception))
    error = task.source.error or next(missing, None) or _absent(task)
    return task.record("planned") if error is None else task.failure(error)


def _absent(task: Task) -> MattecliError | None:
    """That an input that was named is not there; of stores and numbered images nothing is asked."""
    path = task.source.path
    is_known = task.source.is_found or task.source.is_stdin or is_stored(path)
    if is_known or "%" in path.name or os.path.lexists(path):
        return None
    return ImageReadError("there is no such file", path=path, remedy="check the name")


def settle_here(
    tasks: Sequence[T],
    stages: Sequence[Stage[T]],
    pixels: int,
    control: Control[T] | None = None,
) -> Generator[T]:
    """Send tasks through stages, and give each back with its record, in their order.

    Args:
        tasks: none of them settled.
        stages: one may settle a task itself.
        pixels: upper bound for pixels of photos in flight.
        control: an interrupt ends the work early; tasks that have ended are settled all the same.
    """
    if not tasks:
        return
    stages = checked_first(stages)
    budget = min(pixels, PIXELS_UNDER_WAY)
    workers = max(stage.workers * stage.group for stage in stages)
    least_cost = budget // (_TASKS_PER_WORKER * workers)
    outcomes = run_stages(
        tasks,
        stages,
        budget=budget,
        cost=lambda task: max(task.source_pixels(), least_cost),
        unclaimed=_settle,
        control=control,
    )
    with closing(outcomes):
        for outcome in outcomes:
            _settle(outcome)
            yield outcome.item


def _settle(outcome: Outcome[T]) -> None:
    if outcome.item.settled is None:
        outcome.item.settled = _record(outcome)


def _record(outcome: Outcome[T]) -> ItemRecord:
    task, error = outcome.item, outcome.error
    if error is None:
        return replace(task.record("done"), seconds=outcome.seconds)
    return task.failure(error, outcome.seconds)
