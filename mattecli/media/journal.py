"""What was done with which input, as JSON lines that only ever grow.

Every line stands for itself and is written in one piece, so that several runs may write to one
journal, and one that is killed damages its own last line at most. Objects in a store cannot grow:
there a journal is a folder, to which each run adds a part every few seconds.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from mattecli.errors import UsageError
from mattecli.media.stores.path import StorePath

__all__ = ["Entry", "JournalWriter", "Key", "open_writer", "read_entries"]

_PART_SECONDS = 10.0

Key: TypeAlias = tuple[str, str]
"""Absolute paths of an input and of its first output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """How one input ended.

    Attributes:
        input: its absolute path.
        output: that of its first output, or "".
        stamp: size and time of change of all files that were read for it.
        made_with: digest of the settings, of the weights too.
        status: ``done`` or ``failed``.
        error: why it failed, or "".
        version: of the program.
        time: when it ended, ISO 8601 in UTC.
    """

    input: str
    output: str
    stamp: str
    made_with: str
    status: str
    error: str = ""
    version: str = ""
    time: str = ""


def read_entries(path: Path) -> dict[Key, Entry]:
    """The last entry of each input and output; lines that make no sense are passed over.

    Args:
        path: of the journal; one that is not there holds nothing.

    Raises:
        UsageError: it is there and cannot be read.
    """
    entries: dict[Key, Entry] = {}
    try:
        for line in _lines(path):
            entry = _entry(line)
            if entry is not None:
                entries[entry.input, entry.output] = entry
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(
            f"the journal cannot be read ({error.strerror})", path=path, remedy="name another"
        ) from error
    return entries


def _lines(path: Path) -> Iterator[bytes]:
    """In the order in which they were written."""
    if isinstance(path, StorePath):
        for part in sorted(path.iterdir()):
            yield from part.read_bytes().splitlines()
        return
    with path.open("rb") as stream:
        yield from stream


def _entry(line: bytes) -> Entry | None:
    try:
        content = json.loads(line)
        entry = Entry(**content)
    except (ValueError, TypeError, RecursionError):
        return None
    return entry if all(isinstance(value, str) for value in content.values()) else None


class JournalWriter(ABC):
    """Adds entries to a journal."""

    @abstractmethod
    def add(self, entry: Entry) -> None:
        """Write one entry.

        Raises:
            OSError: it cannot be written.
        """

    @abstractmethod
    def close(self) -> None:
        """No more entries.

        Raises:
            OSError: the last ones cannot be written.
        """


def open_writer(path: Path) -> JournalWriter:
    """What writes to a journal, in a file here or in a store.

    Raises:
        OSError: it cannot be opened.
    """
    return _PartsWriter(path) if isinstance(path, StorePath) else _FileWriter(path)


def _as_line(entry: Entry) -> bytes:
    return f"{json.dumps(asdict(entry))}\n".encode("ascii")


class _PartsWriter(JournalWriter):
    """Entries as objects of a few seconds' lines; their names say when, and no two are equal."""

    def __init__(self, folder: StorePath) -> None:
        self._folder = folder
        self._run = secrets.token_hex(4)
        self._lines: list[bytes] = []
        self._since = time.monotonic()

    def add(self, entry: Entry) -> None:
        """Keep one entry for the next part."""
        self._lines.append(_as_line(entry))
        if time.monotonic() - self._since >= _PART_SECONDS:
            self.close()

    def close(self) -> None:
        """Write the part."""
        self._since = time.monotonic()
        if self._lines:
            part = self._folder / f"{time.time_ns():020}-{self._run}.jsonl"
            part.write_bytes(b"".join(self._lines))
            self._lines = []


class _FileWriter(JournalWriter):
    """Entries at the end of a file.

    Args:
        path: of the file; its folder is made.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = os.open(path, flags, 0o666)
        if os.fstat(self._file).st_size:
            os.write(self._file, b"\n")  # the last line may be torn: it must not take ours with it

    def add(self, entry: Entry) -> None:
        """Write one entry."""
        os.write(self._file, _as_line(entry))

    def close(self) -> None:
        """No more entries."""
        os.close(self._file)
