"""The account of a run in files: JSON objects, one a line, or a page to look through."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from mattecli.errors import ImageWriteError, UsageError
from mattecli.media.files import atomic_path, write_atomically
from mattecli.media.report_html import PICTURED_ROWS, ReportRow, html_report
from mattecli.media.stores.place import as_path
from mattecli.records import ItemRecord, Report

__all__ = ["LineReport", "PageReport", "ReportFile", "as_json", "open_report", "summary_as_json"]


def as_json(record: ItemRecord) -> dict[str, object]:
    """One input's record. Bytes of a name that are no UTF-8 stand as lone surrogates (\\udcXX)."""
    return {
        "input": record.source,
        "status": record.status,
        "outputs": dict(record.outputs),
        "width": record.size.width if record.size else None,
        "height": record.size.height if record.size else None,
        "crop": None if record.crop is None else dict(record.crop),
        "error": record.error,
        "notes": list(record.notes),
        "companions": dict(record.companions),
        "scores": dict(record.scores),
        "seconds": {name: round(value, 6) for name, value in record.seconds.items()},
    }


def summary_as_json(report: Report) -> dict[str, object]:
    """The last object of a report."""
    return {
        "summary": True,
        "total": report.total,
        "done": report.done,
        "skipped": report.skipped,
        "planned": report.planned,
        "failed": report.failed,
        "interrupted": report.interrupted,
        "unwritten": list(report.unwritten),
        "exit_status": report.exit_code,
        "seconds": round(report.seconds, 6),
        "stages": {name: round(value, 6) for name, value in report.stages.items()},
        "means": dict(report.means),
        "settings": dict(report.settings),
    }


class ReportFile(ABC):
    """A file that takes its name when it is complete."""

    wants_pictures = False

    @abstractmethod
    def add(self, record: ItemRecord, thumbs: Mapping[str, bytes]) -> None:
        """One input has ended; ``thumbs`` are small pictures by caption."""

    @abstractmethod
    def close(self, report: Report) -> None:
        """The run has ended: the file appears."""

    @abstractmethod
    def abandon(self) -> None:
        """It could not be written: nothing of it stays."""


def open_report(path: Path, settings: Mapping[str, object]) -> ReportFile:
    """The report file that a name means: ``.jsonl`` or ``.html``.

    Raises:
        UsageError: the name ends otherwise.
        ImageWriteError: the file cannot be made.
    """
    path = as_path(path)
    if path.suffix.lower() == ".html":
        return PageReport(path)
    if path.suffix.lower() == ".jsonl":
        return LineReport(path, settings)
    raise UsageError("is no kind of report", path=path, remedy="name it FILE.jsonl or FILE.html")


class LineReport(ReportFile):
    """Writes each record at once, so that memory stays flat.

    Args:
        path: the final name.
        settings: what every item was done with, repeated in each record; may still be added to.
    """

    def __init__(self, path: Path, settings: Mapping[str, object]) -> None:
        self._path = path
        self._settings = settings
        self._stack = ExitStack()
        partial = self._stack.enter_context(atomic_path(path))
        self._stream = self._stack.enter_context(partial.open("w", encoding="ascii"))

    def add(self, record: ItemRecord, thumbs: Mapping[str, bytes]) -> None:
        """One more line."""
        self._write({**as_json(record), "settings": dict(self._settings)})

    def close(self, report: Report) -> None:
        """The summary; then the file takes its name."""
        self._write(summary_as_json(report))
        with self._explained():
            self._stack.close()

    def abandon(self) -> None:
        """It could not be written: the temporary file goes."""
        with suppress(OSError, ImageWriteError):
            self._stack.__exit__(ImageWriteError, ImageWriteError("given up"), None)

    def _write(self, record: dict[str, object]) -> None:
        with self._explained():
            self._stream.write(json.dumps(record) + "\n")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ImageWriteError(
                f"the report cannot be written ({error.strerror or error})", path=self._path
            ) from error


class PageReport(ReportFile):
    """Keeps records, and pictures of the first of them, for a page."""

    wants_pictures = True

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rows: list[ReportRow] = []

    def add(self, record: ItemRecord, thumbs: Mapping[str, bytes]) -> None:
        """One more input."""
        shown = dict(thumbs) if len(self._rows) < PICTURED_ROWS else {}
        self._rows.append(ReportRow(record=record, thumbs=shown))

    def close(self, report: Report) -> None:
        """The page is written."""
        page = html_report(self._rows, report)
        write_atomically(self._path, page.encode("utf-8", "backslashreplace"))

    def abandon(self) -> None:
        """Nothing of it was begun."""
        self._rows.clear()
