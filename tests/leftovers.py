"""What this process holds: open files and children, to see that nothing is left behind."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def open_files(process: int | str = "self") -> list[str]:
    """What descriptors of a process lead to, but for the one that lists them."""
    found = []
    for name in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.append(str(name.readlink()))
    return sorted(found)


def children() -> set[str]:
    """Ids of processes that this one started and has not waited for."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            words = path.read_text().rpartition(")")[2].split()
            if words[1] == str(os.getpid()):
                found.add(path.parent.name)
    return found
