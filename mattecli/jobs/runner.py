"""What all jobs on folders of images share: from a plan of tasks to a report."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import cv2

from mattecli.engine.interruption import Hold
from mattecli.engine.memory import is_out_of_memory
from mattecli.engine.pipeline import run_stages
from mattecli.engine.stage import Control, Limit, Outcome, Stage
from mattecli.errors import MattecliError, UsageError, shown_path
from mattecli.jobs.journal import Journal
from mattecli.jobs.limits import Room, checked_first, time_limit
from mattecli.jobs.plan import Task
from mattecli.media.report import open_report
from mattecli.records import ItemRecord, Report
from mattecli.settings import RunOptions

__all__ = [
    "Account",
    "Observer",
    "Silent",
    "Work",
    "check_places",
    "each",
    "reason",
    "run_tasks",
    "worker_count",
]

Item = TypeVar("Item")
T = TypeVar("T", bound=Task)

_PIXELS_UNDER_WAY = 64_000_000
_TASKS_PER_WORKER = 4
_MOST_WORKERS = 256


class Observer(Protocol):
    """Who watches a run: the console, or a caller's own object."""

    def started(self, total: int) -> None:
        """The number of inputs is known."""

    def note(self, text: str, *, detail: bool = False) -> None:
        """A remark about the run as a whole."""

    def item(self, record: ItemRecord) -> None:
        """One input has ended; called in the order of the inputs."""

    def finished(self, report: Report) -> None:
        """Everything has ended."""


class Silent:
    """An observer that says nothing."""

    def started(self, total: int) -> None:
        """Nothing."""

    def note(self, text: str, *, detail: bool = False) -> None:
        """Nothing."""

    def item(self, record: ItemRecord) -> None:
        """Nothing."""

    def finished(self, report: Report) -> None:
        """Nothing."""


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
    return run.workers or len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[T]):
    """Tasks, and the stages they go through.

    Attributes:
        tasks: in the order of the report.
        stages: what is done with those that are not settled by the plan already.
        settings: what every item is done with, for the report.
        pixels: of photos that may be under way at once, if memory has no room for the usual number.
        means: called at the end: the means of the items' scores, for the report.
        journal: is told of each item, for later runs.
    """

    tasks: Sequence[T]
    stages: Sequence[Stage[T]]
    settings: Mapping[str, object] = field(default_factory=dict)
    pixels: int = _PIXELS_UNDER_WAY
    means: Callable[[], Mapping[str, float | None]] = dict
    journal: Journal | None = None


def run_tasks(work: Work[T], run: RunOptions, observer: Observer) -> Report:
    """Do the work; one task's failure never stops the others unless ``fail_fast``.

    Returns:
        The account, also after SIGINT and SIGTERM.
    """
    begin = time.perf_counter()
    check_places(work.tasks, run)
    limit: Limit[T] | None = time_limit(run)
    if work.journal is not None and not run.dry_run:
        work.journal.open()
    room = Room(work.tasks, run, observer.note)
    account = Account(work, run, observer)
    for task in work.tasks:
        task.wants_thumbs = account.wants_pictures
    observer.started(len(work.tasks))
    _share_cores(len(work.tasks))
    try:
        with Hold() as hold, closing(_settled(work, run, Control(hold=hold, limit=limit))) as tasks:
            for task in tasks:
                account.add(task)
                room.after(task)
                failed = task.settled is not None and task.settled.status == "failed"
                if hold.requested or (failed and run.fail_fast):
                    break
    except KeyboardInterrupt:
        account.report = replace(account.report, interrupted=True)
    for task in work.tasks:  # a run that was cut short lists what had ended, and what was known
        if task.settled is not None and not task.is_reported:
            account.add(task)
    return account.close(time.perf_counter() - begin)


def _share_cores(tasks: int) -> None:
    """Let OpenCV thread its functions only where there are fewer photos than cores.

    Photos side by side keep all cores busy; more threads would only wait for each other.
    """
    cv2.setNumThreads(1 if tasks >= len(os.sched_getaffinity(0)) else -1)


def check_places(tasks: Sequence[Task], run: RunOptions) -> None:
    """Reports and JSON lines must not meet images.

    Raises:
        UsageError: they would.
    """
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
    for report in run.report:
        if os.path.realpath(report) in images:
            raise UsageError(
                "the report would take the place of an image", path=report, remedy="name another"
            )


class Account:
    """Counts records and passes them on."""

    def __init__(self, work: Work[T], run: RunOptions, observer: Observer) -> None:
        self.report = Report(settings=dict(work.settings), total=len(work.tasks))
        self._observer = observer
        self._means = work.means
        self._journal = work.journal
        self._files = [open_report(path, work.settings) for path in run.report]
        self._stages: dict[str, float] = {}

    @property
    def wants_pictures(self) -> bool:
        """Whether a report shows pictures."""
        return any(file.wants_pictures for file in self._files)

    def add(self, task: Task) -> None:
        """One task has ended."""
        task.is_reported = True
        record = task.settled or task.record("done")
        count = getattr(self.report, record.status) + 1
        self.report = replace(self.report, **{record.status: count})
        for name, seconds in record.seconds.items():
            self._stages[name] = self._stages.get(name, 0.0) + seconds
        if self._journal is not None:
            self._journal.add(task, record)
        for file in self._files:
            file.add(record, task.thumbs)
        task.thumbs = {}
        self._observer.item(record)

    def close(self, seconds: float) -> Report:
        """The run has ended."""
        self.report = replace(
            self.report, seconds=seconds, stages=self._stages, means=self._means()
        )
        if self._journal is not None:
            self._journal.close()
            if self._journal.trouble:
                where = shown_path(self._journal.path)
                self._observer.note(f"{where}: not written ({self._journal.trouble})")
        try:
            for file in self._files:
                file.close(self.report)
        finally:  # a report that cannot be written must not cost the account
            self._observer.finished(self.report)
        return self.report


def _settled(work: Work[T], run: RunOptions, control: Control[T]) -> Generator[T]:
    """All tasks in order, each with its record; an interrupt ends them early."""
    if run.dry_run:
        for task in work.tasks:
            task.settled = task.settled or task.record("planned")
            yield task
        return
    outcomes = _outcomes(work, control)
    with closing(outcomes):
        for task in work.tasks:
            if task.settled is None:
                outcome = next(outcomes, None)
                if outcome is None:
                    return
                _settle(outcome)
            yield task


def _outcomes(work: Work[T], control: Control[T]) -> Generator[Outcome[T]]:
    tasks = [task for task in work.tasks if task.settled is None]
    stages = checked_first(work.stages)
    budget = min(work.pixels, _PIXELS_UNDER_WAY)
    workers = max(stage.workers * stage.group for stage in stages)
    least_cost = budget // (_TASKS_PER_WORKER * workers)
    return run_stages(
        tasks,
        stages,
        budget=budget,
        cost=lambda task: max(task.source_pixels(), least_cost),
        unclaimed=_settle,
        control=control,
    )


def _settle(outcome: Outcome[T]) -> None:
    outcome.item.settled = _record(outcome)


def _record(outcome: Outcome[T]) -> ItemRecord:
    task, error = outcome.item, outcome.error
    if error is None:
        return replace(task.record("done"), seconds=outcome.seconds)
    return replace(
        task.record("failed"),
        outputs={},
        error=reason(error, task),
        trouble=error,
        seconds=outcome.seconds,
    )


def reason(error: Exception, task: Task) -> str:
    """One line: file, cause, remedy."""
    if isinstance(error, MattecliError):
        return str(error) if error.path is not None else f"{task.shown}: {error}"
    if is_out_of_memory(error):
        return f"{task.shown}: ran out of memory; use fewer --workers or a machine with more"
    if isinstance(error, OSError):
        where = shown_path(os.fsdecode(error.filename)) if error.filename else task.shown
        return f"{where}: {error.strerror or error}"
    what = " ".join(f"{type(error).__name__}: {error}".split())
    return f"{task.shown}: unexpected failure ({what}); run it with --debug and report it"
