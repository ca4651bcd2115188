"""What was done with which input, as JSON lines that only ever grow.

Every line stands for itself and is written in one piece, so that several runs may write to one
journal, and one that is killed damages its own last line at most.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeAlias

from mattecli.errors import UsageError

__all__ = ["Entry", "JournalWriter", "Key", "read_entries"]

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
        with path.open("rb") as stream:
            for line in stream:
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


def _entry(line: bytes) -> Entry | None:
    try:
        content = json.loads(line)
        entry = Entry(**content)
    except (ValueError, TypeError, RecursionError):
        return None
    return entry if all(isinstance(value, str) for value in content.values()) else None


class JournalWriter:
    """Adds entries to a journal.

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
        """Write one entry.

        Raises:
            OSError: the disk does not take it.
        """
        line = f"{json.dumps(asdict(entry))}\n".encode("ascii")
        os.write(self._file, line)

    def close(self) -> None:
        """No more entries."""
        os.close(self._file)
