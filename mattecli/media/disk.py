"""How much room there is where outputs go."""

from __future__ import annotations

import shutil
from pathlib import Path

from mattecli.errors import ImageWriteError
from mattecli.media.stores.place import is_stored

__all__ = ["free_bytes", "require_room"]


def free_bytes(path: Path) -> int | None:
    """Free bytes on the disk that holds a file, or will hold it; None where that is not known."""
    if is_stored(path):
        return None
    for place in (path, *path.absolute().parents):
        try:
            usage = shutil.disk_usage(place)
        except OSError:
            continue
        return usage.free if usage.total else None  # /proc and its like have no size
    return None


def require_room(path: Path, needed: int, min_free: int) -> None:
    """Refuse to write a file for which there is no room.

    Args:
        path: of the file.
        needed: its bytes.
        min_free: bytes that have to stay free.

    Raises:
        ImageWriteError: the disk is full, or nearly so.
    """
    free = free_bytes(path.parent)
    if free is None or free - needed >= min_free:
        return
    cause = "the disk is full" if free <= needed else "the disk is nearly full (--min-free)"
    raise ImageWriteError(
        cause, path=path, remedy="free some space and run again with --existing skip"
    )
