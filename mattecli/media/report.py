"""The machine's account of a run: JSON objects, one a line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO

from mattecli.errors import ImageWriteError
from mattecli.records import ItemRecord, Report

__all__ = ["LineReport", "as_json", "summary_as_json"]


def as_json(record: ItemRecord) -> dict[str, object]:
    """One input's record. Bytes of a name that are no UTF-8 stand as lone surrogates (\\udcXX)."""
    return {
        "input": record.source,
        "status": record.status,
        "outputs": dict(record.outputs),
        "width": record.size.width if record.size else None,
        "height": record.size.height if record.size else None,
        "error": record.error,
        "notes": list(record.notes),
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
        "exit_status": report.exit_code,
        "seconds": round(report.seconds, 6),
        "stages": {name: round(value, 6) for name, value in report.stages.items()},
        "settings": dict(report.settings),
    }


class LineReport:
    """Writes records to a file as they come; the file gets its name when it is complete.

    Args:
        path: the final name.
        settings: what every item was done with, repeated in each record.

    Raises:
        ImageWriteError: the file cannot be made or written.
    """

    def __init__(self, path: Path, settings: dict[str, object]) -> None:
        self._path = path
        self._settings = settings
        self._partial = path.with_name(f".{path.name[:200]}.{os.getpid()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream: IO[str] = self._partial.open("w", encoding="ascii")
        except OSError as error:
            raise ImageWriteError(
                f"the report cannot be written ({error.strerror})", path=path
            ) from error

    def add(self, record: ItemRecord) -> None:
        """One more line."""
        self._write({**as_json(record), "settings": self._settings})

    def close(self, report: Report) -> None:
        """The summary; then the file takes its name."""
        self._write(summary_as_json(report))
        try:
            self._stream.close()
            self._partial.replace(self._path)
        except OSError as error:
            raise ImageWriteError(
                f"the report cannot be written ({error.strerror})", path=self._path
            ) from error

    def _write(self, record: dict[str, object]) -> None:
        try:
            self._stream.write(json.dumps(record) + "\n")
        except OSError as error:
            raise ImageWriteError(
                f"the report cannot be written ({error.strerror})", path=self._path
            ) from error
