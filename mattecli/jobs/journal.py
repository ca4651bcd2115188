"""Knows from earlier runs what is complete with these settings, what is stale, and what failed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias, TypeVar

from mattecli import __version__
from mattecli.errors import UsageError, shown_path
from mattecli.jobs.past import Past, Verdict, key_of
from mattecli.jobs.stamps import stamps_of
from mattecli.jobs.task import Task
from mattecli.media.journal import (
    FILE_NAME,
    Entry,
    JournalWriter,
    Key,
    absolute,
    open_writer,
    require_journal,
    unusable_journal,
)
from mattecli.media.stores.place import as_path
from mattecli.records import ItemRecord
from mattecli.settings import OutputOptions
from mattecli.settings.video import VideoOutputOptions

__all__ = ["Journal", "open_journal"]

T = TypeVar("T", bound=Task)
AnyOutputOptions: TypeAlias = OutputOptions | VideoOutputOptions

_NONE = "none"


class Journal:
    """The journal of a run.

    Args:
        path: of the file.
        made_with: all that outputs depend on beside their inputs.
        is_asked_for: the user named the file, so that it is an error if it cannot be written.

    Attributes:
        trouble: why it could not be written, or "".
        damaged: lines that made no sense, such as those that a killed run left unfinished.
        replaced: tasks that are done although their outputs are there: those are of other inputs.
    """

    def __init__(self, path: Path, made_with: Mapping[str, object], *, is_asked_for: bool) -> None:
        self.path = path
        self.trouble = ""
        self.damaged = 0
        self.replaced = 0
        self._made_with = _digest(made_with)
        self._is_asked_for = is_asked_for
        self._writer: JournalWriter | None = None
        self._stamps: dict[Key, str] = {}
        self._claimed: list[Task] = []

    def applied(self, tasks: Sequence[T], target: AnyOutputOptions) -> list[T]:
        """The tasks of this run: with ``--retry-failed`` only those whose last try failed.

        A task that the plan has skipped is unsettled, and done again, where the journal says that
        its outputs were last made of another input, with other settings or from other files, or
        that it failed last time.

        Args:
            tasks: as planned, settled as skipped where outputs exist and are to be kept.
            target: whether to keep outputs, or to do only what failed.

        Raises:
            UsageError: the journal cannot be read.
        """
        told = [task for task in tasks if not task.source.is_stdin and not _is_refused(task)]
        self._stamps = {key_of(task): _stamp(task) for task in told}
        self._claimed = []
        past = self._past(tasks, is_needed=target.existing == "skip" or target.retry_failed)
        applied = [task for task in tasks if not target.retry_failed or past.has_failed(task)]
        for task in applied:
            verdict = past.verdict(task)
            if _is_skipped(task) and verdict >= Verdict.STALE:
                task.settled = None
                self.replaced += verdict is Verdict.FOREIGN
            if task.settled is None and verdict is Verdict.FOREIGN:
                self._claimed.append(task)
        return applied

    def _past(self, tasks: Sequence[Task], *, is_needed: bool) -> Past:
        past = Past(tasks, self._stamps, self._made_with)
        try:
            past.read(self.path)
        except UsageError:
            if is_needed:
                raise  # else it is said when it is opened
        self.damaged = past.damaged if is_needed else 0
        return past

    def open(self) -> None:
        """Begin the run. A journal that the user named is made now, others with the first entry.

        Raises:
            UsageError: the user asked for it, and it cannot be written.
        """
        if self._is_asked_for:
            require_journal(self.path)
        elif not self._claimed:
            return
        try:
            self._writer = self._opened()
            for task in self._claimed:
                self._writer.add(self._entry(task, "begun"))
            if self._claimed:
                self.close()  # in a store, only then is it written
        except OSError as error:
            if self._is_asked_for:
                raise unusable_journal(self.path, error) from error
            self.trouble = str(error.strerror or error)
        self._claimed = []

    def remarks(self) -> Iterator[str]:
        """What the user should know of it at the start of a run."""
        if self.damaged:
            where = shown_path(self.path)
            yield f"{where}: {self.damaged} lines of the journal make no sense and were passed over"
        if self.replaced:
            yield (
                f"outputs are there for {self.replaced} of the inputs, but were made of others:"
                " they are made again"
            )

    def add(self, task: Task, record: ItemRecord) -> None:
        """One input has ended. If the journal cannot be written, the run goes on without it."""
        ended = record.status in ("done", "failed")
        if not ended or key_of(task) not in self._stamps or self.trouble:
            return
        try:
            if self._writer is None:
                self._writer = self._opened()
            self._writer.add(self._entry(task, record.status, record.error or ""))
        except OSError as error:
            self.trouble = str(error.strerror or error)

    def close(self) -> None:
        """The run has ended."""
        if self._writer is not None:
            try:
                self._writer.close()
            except OSError as error:
                self.trouble = str(error.strerror or error)
            self._writer = None

    def _opened(self) -> JournalWriter:
        return open_writer(self.path, through_link=self._is_asked_for)

    def _entry(self, task: Task, status: str, error: str = "") -> Entry:
        key = key_of(task)
        places = {kind: absolute(path) for kind, path in task.outputs.items() if path is not None}
        return Entry(
            input=key[0],
            output=key[1],
            others="\0".join([*places.values()][1:]),
            kinds=",".join(places),
            stamp=self._stamps.get(key, ""),
            made_with=self._made_with,
            status=status,
            error=error,
            version=__version__,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )


def open_journal(
    target: AnyOutputOptions,
    folder: str,
    made_with: Callable[[], Mapping[str, object]],
    *,
    one_place: bool,
) -> Journal | None:
    """The journal that was asked for, or that of the outputs' folder; None where there is none.

    Args:
        target: outputs of the run.
        folder: where they go when the user says nothing.
        made_with: tells all that outputs depend on beside their inputs; asked only where there is a
            journal.
        one_place: they go to one file or to standard output, not to a folder.

    Raises:
        UsageError: ``--retry-failed`` is given, and there is no journal to tell what failed.
    """
    if target.journal == _NONE or (target.journal is None and one_place):
        if target.retry_failed:
            raise UsageError(
                "--retry-failed needs a journal", remedy="give -o FOLDER, or --journal FILE"
            )
        return None
    if target.journal is not None:
        return Journal(as_path(target.journal), made_with(), is_asked_for=True)
    return Journal(as_path(target.output or folder) / FILE_NAME, made_with(), is_asked_for=False)


def _digest(made_with: Mapping[str, object]) -> str:
    text = json.dumps(made_with, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _stamp(task: Task) -> str:
    """Size and time of change of the input and of what belongs to it."""
    return " ".join("-" if stamp is None else str(stamp) for stamp in stamps_of(task))


def _is_skipped(task: Task) -> bool:
    return task.settled is not None and task.settled.status == "skipped"


def _is_refused(task: Task) -> bool:
    """Whether the plan itself refused the task (``--existing error``), which changed nothing."""
    return task.settled is not None and task.settled.status == "failed"
