"""The account of a run: what there is to do, who watches, and what became of each input."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from mattecli.engine.pipeline import Stage
from mattecli.errors import ImageWriteError, shown_path
from mattecli.interruption import Hold, forget_interrupts
from mattecli.jobs.crew import PIXELS_UNDER_WAY
from mattecli.jobs.journal import Journal
from mattecli.jobs.task import Task
from mattecli.media.report import ReportFile, open_report
from mattecli.records import ItemRecord, Report
from mattecli.settings import RunOptions

__all__ = ["Account", "Observer", "Silent", "Work", "accounted"]

T = TypeVar("T", bound=Task)

_MOST_FAILURES = 1000
"""Records of failed inputs that a report keeps: a run may have millions."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Work(Generic[T]):
    """Tasks, and the stages they go through.

    Attributes:
        tasks: in the order of the report.
        stages: what tasks go through that the plan has not settled already.
        settings: what every item is done with, for the report.
        pixels: upper bound for pixels in flight; lower than the default when memory is short.
        means: called at the end: the means of the items' scores, for the report.
        journal: is told of each item, for later runs.
        read: other files that the run reads; no report may take their place.
        elsewhere: does the tasks in place of the stages, and yields them settled, in order.
        remark: a note for the user on what was chosen, such as the model; "" for none.
    """

    tasks: Sequence[T]
    stages: Sequence[Stage[T]]
    settings: Mapping[str, object] = field(default_factory=dict)
    pixels: int = PIXELS_UNDER_WAY
    means: Callable[[], Mapping[str, float | None]] = dict
    journal: Journal | None = None
    read: Sequence[Path] = ()
    elsewhere: Callable[[Sequence[T], Hold], Generator[T]] | None = None
    remark: str = ""


class Account:
    """Counts records and passes them on."""

    def __init__(self, work: Work[T], run: RunOptions, observer: Observer) -> None:
        folders = (os.fspath(task.root) for task in work.tasks if task.root and task.outputs)
        self.report = Report(settings={}, total=len(work.tasks), folder=next(folders, ""))
        self._settings = work.settings  # a crew adds to it until the first task has ended
        self._observer = observer
        self._means = work.means
        self._journal = work.journal
        self._files = [open_report(path, work.settings) for path in run.report]
        self._stages: dict[str, float] = {}
        self._failures: list[ItemRecord] = []

    @property
    def wants_pictures(self) -> bool:
        """Whether a report shows pictures."""
        return any(file.wants_pictures for file in self._files)

    def expect(self, tasks: Sequence[Task]) -> None:
        """There is more to do than was known."""
        for task in tasks:
            task.wants_thumbs = self.wants_pictures
        self.report = replace(self.report, total=self.report.total + len(tasks))

    def add(self, task: Task) -> None:
        """One task has ended."""
        task.is_reported = True
        record = task.settled or task.record("done")
        count = getattr(self.report, record.status) + 1
        self.report = replace(self.report, **{record.status: count})
        if record.status == "failed" and len(self._failures) < _MOST_FAILURES:
            self._failures.append(replace(record, trouble=None))
        for name, seconds in record.seconds.items():
            self._stages[name] = self._stages.get(name, 0.0) + seconds
        if self._journal is not None:
            self._journal.add(task, record)
        thumbs, task.thumbs = task.thumbs, {}
        self._tell_files(lambda file: file.add(record, thumbs))
        self._observer.item(record)

    def interrupt(self) -> None:
        """A signal ended the run."""
        self.report = replace(self.report, interrupted=True)

    def close(self, seconds: float) -> Report:
        """The run has ended."""
        self.report = replace(
            self.report,
            failures=tuple(self._failures),
            seconds=seconds,
            stages=self._stages,
            means=self._means(),
            settings=dict(self._settings),
        )
        if self._journal is not None:
            self._journal.close()
            if self._journal.trouble:
                where = shown_path(self._journal.path)
                self._observer.note(f"{where}: not written ({self._journal.trouble})")
        self._tell_files(lambda file: file.close(self.report))
        self._observer.finished(self.report)
        return self.report

    def _tell_files(self, tell: Callable[[ReportFile], None]) -> None:
        """A report that cannot be written is given up; the work and its account go on."""
        for file in list(self._files):
            try:
                tell(file)
            except ImageWriteError as error:
                self._files.remove(file)
                file.abandon()
                self.report = replace(self.report, unwritten=(*self.report.unwritten, str(error)))


@contextmanager
def accounted(work: Work[T], run: RunOptions, observer: Observer) -> Iterator[Account]:
    """The account of a run, closed when the block is left, by SIGINT or SIGTERM too.

    Tasks that have ended by then, or were settled by the plan, are in it.

    Raises:
        UsageError: a report's name makes no sense.
        ImageWriteError: a report cannot be begun.
    """
    begin = time.perf_counter()
    account = Account(work, run, observer)
    for task in work.tasks:
        task.wants_thumbs = account.wants_pictures
    observer.started(len(work.tasks))
    try:
        yield account
    except KeyboardInterrupt:
        forget_interrupts()
        account.interrupt()
    for task in work.tasks:
        if task.settled is not None and not task.is_reported:
            account.add(task)
    account.close(time.perf_counter() - begin)
