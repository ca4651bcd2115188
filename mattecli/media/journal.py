"""What was done with which input, as JSON lines that only ever grow.

Every line stands for itself and is written in one piece, so that several runs may write to one
journal, and one that is killed damages its own last line at most. Objects in a store cannot grow:
there a journal is a folder, to which each run adds a part every few seconds.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import TypeAlias

from mattecli.errors import UsageError
from mattecli.media.stores.path import StorePath

__all__ = [
    "FILE_NAME",
    "Entry",
    "JournalWriter",
    "Key",
    "Place",
    "RealPlaces",
    "absolute",
    "open_writer",
    "read_entries",
    "require_journal",
    "unusable_journal",
]

FILE_NAME = ".mattecli-journal.jsonl"
"""The journal of a folder of outputs."""

_PART_SECONDS = 10.0
_LINES_LOOKED_AT = 100
_MOST_BYTES = 1 << 20  # of a line: paths have some thousands

Key: TypeAlias = tuple[str, str]
"""Absolute paths of an input and of its first output, which is "" where it has none."""

Place: TypeAlias = tuple[str, str]
"""A folder without links in its path, and the name of a file in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """How one input ended.

    Attributes:
        input: its absolute path.
        output: that of its first output, or "".
        others: those of its further outputs, with a NUL byte between them.
        kinds: what its outputs are, with a comma between them.
        stamp: size and time of change of all files that were read for it.
        made_with: digest of the settings, of the weights too.
        status: ``done``, ``failed``, or ``begun`` where outputs of another input are about to be
            replaced: if nothing follows, nobody knows whose they are.
        error: why it failed, or "".
        version: of the program.
        time: when it ended, ISO 8601 in UTC.
    """

    input: str
    output: str
    stamp: str
    made_with: str
    status: str
    others: str = ""
    kinds: str = ""
    error: str = ""
    version: str = ""
    time: str = ""

    @property
    def places(self) -> list[str]:
        """Absolute paths of all its outputs."""
        return [path for path in (self.output, *self.others.split("\0")) if path]

    @property
    def outputs(self) -> dict[str, str]:
        """The kinds of all its outputs by absolute path; "" where an older entry tells none."""
        paths = self.places
        return dict(zip_longest(paths, self.kinds.split(",")[: len(paths)], fillvalue=""))


def absolute(path: Path) -> str:
    """As a journal names a file: links stay what the user called them."""
    return str(path) if isinstance(path, StorePath) else os.path.abspath(path)  # noqa: PTH100


def unusable_journal(path: Path, error: OSError) -> UsageError:
    """What is raised for a journal that cannot be read or written."""
    return UsageError(
        f"the journal cannot be used ({error.strerror})", path=path, remedy="name another"
    )


class RealPlaces:
    """Tells where files really lie, by whatever links their folders are reached.

    A file itself may be a link: two names in one folder are two files.
    """

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}

    def of(self, path: str) -> Place:
        """The place of a file.

        Args:
            path: as ``absolute`` gives it, or "".
        """
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = folder if "://" in folder else _real(folder)
        return self._folders[folder], name


def _real(folder: str) -> str:
    try:
        return os.path.realpath(folder) if folder else folder
    except (OSError, ValueError):  # no file can be called so
        return folder


def read_entries(path: Path) -> Generator[Entry | None]:
    """What is in a journal, in the order in which it was written: there may be millions.

    Args:
        path: of the journal; one that is not there holds nothing.

    Yields:
        Each entry; None for a line that makes no sense.

    Raises:
        UsageError: it is there and cannot be read.
    """
    try:
        for line in _lines(path):
            if line.strip():
                yield _entry(line)
    except FileNotFoundError:
        return
    except OSError as error:
        raise unusable_journal(path, error) from error


def require_journal(path: Path) -> None:
    """Refuse what is there and is no journal: entries would be added to somebody's file.

    Raises:
        UsageError: it is something else.
    """
    try:
        lines = _lines(path)
        some = list(islice((line for line in lines if line.strip()), _LINES_LOOKED_AT))
        lines.close()
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            return
        raise unusable_journal(path, error) from error
    if some and not any(_entry(line) for line in some):
        raise UsageError("it is there, and is no journal", path=path, remedy="name another")


def _lines(path: Path) -> Generator[bytes]:
    """In the order in which they were written."""
    if isinstance(path, StorePath):
        for part in sorted(path.iterdir()):
            yield from part.read_bytes().splitlines()
        return
    # A pipe would be waited for, a device has no end, and a line of gigabytes is no entry.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as stream:
        _require_file(descriptor)
        while line := stream.readline(_MOST_BYTES):
            yield line


def _require_file(descriptor: int) -> None:
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        raise OSError(errno.EINVAL, "it is no file")


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


def open_writer(path: Path, *, through_link: bool) -> JournalWriter:
    """What writes to a journal, in a file here or in a store.

    Args:
        path: of the journal.
        through_link: a symbolic link may stand for it: the user named it.

    Raises:
        OSError: it cannot be opened.
    """
    if isinstance(path, StorePath):
        return _PartsWriter(path)
    return _FileWriter(path, through_link=through_link)


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
        through_link: a symbolic link may stand for it.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path, *, through_link: bool) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
        self._file = os.open(path, flags | (0 if through_link else os.O_NOFOLLOW), 0o666)
        try:
            _require_file(self._file)
        except OSError:
            os.close(self._file)
            raise
        if os.fstat(self._file).st_size:
            os.write(self._file, b"\n")  # the last line may be torn: it must not take ours with it

    def add(self, entry: Entry) -> None:
        """Write one entry."""
        line = _as_line(entry)
        if os.write(self._file, line) < len(line):  # what comes next must not be glued to it
            with suppress(OSError):
                os.write(self._file, b"\n")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """No more entries."""
        os.close(self._file)
