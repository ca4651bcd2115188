"""Knows from earlier runs what is complete with these settings, what is stale, and what failed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias, TypeVar

from mattecli import __version__
from mattecli.errors import UsageError
from mattecli.jobs.task import Task
from mattecli.media.journal import (
    FILE_NAME,
    Entry,
    JournalWriter,
    Key,
    absolute,
    open_writer,
    read_entries,
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
    """

    def __init__(self, path: Path, made_with: Mapping[str, object], *, is_asked_for: bool) -> None:
        self.path = path
        self.trouble = ""
        self.damaged = 0
        self._made_with = _digest(made_with)
        self._is_asked_for = is_asked_for
        self._writer: JournalWriter | None = None
        self._stamps: dict[Key, str] = {}

    def applied(self, tasks: Sequence[T], target: AnyOutputOptions) -> list[T]:
        """The tasks of this run: with ``--retry-failed`` only those whose last try failed.

        A task that the plan has skipped is unsettled, and done again, where the journal says that
        it failed last time, or was made with other settings or from other files.

        Args:
            tasks: as planned, settled as skipped where outputs exist and are to be kept.
            target: whether to keep outputs, or to do only what failed.

        Raises:
            UsageError: the journal cannot be read.
        """
        told = [task for task in tasks if not task.source.is_stdin and not _is_refused(task)]
        self._stamps = {_key(task): _stamp(task) for task in told}
        known: Mapping[Key, Entry] = {}
        if target.existing == "skip" or target.retry_failed:
            entries = read_entries(self.path)
            known, self.damaged = entries.last, entries.damaged
        if target.retry_failed:
            return [task for task in tasks if _is(known.get(_key(task)), "failed")]
        for task in tasks:
            entry = known.get(_key(task))
            if entry is not None and _is_skipped(task) and not self._is_current(entry):
                task.settled = None
        return list(tasks)

    def open(self) -> None:
        """Begin the run. A journal that the user named is made now, others with the first entry.

        Raises:
            UsageError: the user asked for it, and it cannot be written.
        """
        if not self._is_asked_for:
            return
        require_journal(self.path)
        try:
            self._writer = self._opened()
        except OSError as error:
            raise unusable_journal(self.path, error) from error

    def add(self, task: Task, record: ItemRecord) -> None:
        """One input has ended. If the journal cannot be written, the run goes on without it."""
        key = _key(task)
        if record.status not in ("done", "failed") or key not in self._stamps or self.trouble:
            return
        places = {kind: absolute(path) for kind, path in task.outputs.items() if path is not None}
        entry = Entry(
            input=key[0],
            output=key[1],
            others="\0".join([*places.values()][1:]),
            kinds=",".join(places),
            stamp=self._stamps[key],
            made_with=self._made_with,
            status=record.status,
            error=record.error or "",
            version=__version__,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        )
        try:
            if self._writer is None:
                self._writer = self._opened()
            self._writer.add(entry)
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

    def _is_current(self, entry: Entry) -> bool:
        same = (
            entry.made_with == self._made_with
            and entry.stamp == self._stamps[entry.input, entry.output]
        )
        return _is(entry, "done") and same


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


def _key(task: Task) -> Key:
    first = task.first_place
    return absolute(task.source.path), "" if first is None else absolute(first)


def _stamp(task: Task) -> str:
    """Size and time of change of the input and of what belongs to it."""
    companions = (found for found in task.companions.values() if isinstance(found, Path))
    return " ".join(_file_stamp(path) for path in (task.source.path, *companions))


def _file_stamp(path: Path) -> str:
    try:
        status = path.stat()
    except (OSError, ValueError):
        return "-"
    return f"{status.st_size}:{status.st_mtime_ns}"


def _is(entry: Entry | None, status: str) -> bool:
    return entry is not None and entry.status == status


def _is_skipped(task: Task) -> bool:
    return task.settled is not None and task.settled.status == "skipped"


def _is_refused(task: Task) -> bool:
    """Whether the plan itself refused the task (``--existing error``), which changed nothing."""
    return task.settled is not None and task.settled.status == "failed"
