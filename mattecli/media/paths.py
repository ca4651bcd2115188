"""What lies under a name, whoever made the name up: too long or forbidden ones lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mattecli.media.stores.place import is_stored

__all__ = ["is_folder", "is_ordinary_file", "is_there"]

# The paths' own methods raise for names that are too long and folders that may not be entered.


@contextmanager
def _leading_nowhere(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError):
        if is_stored(path):  # what a store says is to be heard
            raise


def is_folder(path: Path) -> bool:
    """Whether it is a folder, or a link to one."""
    with _leading_nowhere(path):
        return path.is_dir()
    return False


def is_ordinary_file(path: Path) -> bool:
    """Whether it is a file, or a link to one."""
    with _leading_nowhere(path):
        return path.is_file()
    return False


def is_there(path: Path) -> bool:
    """Whether there is anything; a link that leads nowhere is nothing."""
    with _leading_nowhere(path):
        return path.exists()
    return False
