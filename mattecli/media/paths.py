"""What a path leads to. A name that the system refuses (too long, a NUL byte) leads nowhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mattecli.media.stores.place import is_stored

__all__ = ["is_folder", "is_ordinary_file", "is_there"]


def is_folder(path: Path) -> bool:
    """Whether it is a folder, or a link to one."""
    return _asked(path, path.is_dir)


def is_ordinary_file(path: Path) -> bool:
    """Whether it is a file, or a link to one."""
    return _asked(path, path.is_file)


def is_there(path: Path) -> bool:
    """Whether there is anything; a link that leads nowhere is nothing."""
    return _asked(path, path.exists)


def _asked(path: Path, question: Callable[[], bool]) -> bool:
    """The answer to a question about a path; False where the name itself is refused."""
    try:
        return question()
    except (OSError, ValueError):
        if is_stored(path):  # what a store says is to be heard
            raise
        return False
