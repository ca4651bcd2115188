"""Temporary files of outputs: their names, and which of them killed runs left behind."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
import sys
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from mattecli.media.stores.path import StorePath

if sys.platform != "win32":
    import fcntl

__all__ = ["lock", "remove_leftovers", "temporary_name"]

_MAX_NAME_BYTES = 255
_NAME = re.compile(r"\..+\.([0-9a-f]{8})-[0-9a-f]{8}\.part", re.DOTALL)
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UNKNOWN = "0" * 8
_AGE = 60.0  # seconds; a younger file may belong to a run that has yet to lock it


def temporary_name(name: str) -> str:
    """A new hidden name for the file that will be called ``name``.

    It says which running system made it, for ``remove_leftovers``, and is at most 255 bytes long.
    """
    end = f".{_system()}-{secrets.token_hex(4)}.part"
    while len(os.fsencode(name)) + 1 + len(end) > _MAX_NAME_BYTES:
        name = name[:-1]
    return f".{name}{end}"


def lock(descriptor: int) -> bool:
    """Lock an open file without waiting; whether that worked.

    The lock ends when the file is closed, also by the end of the process.
    """
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def remove_leftovers(folder: Path) -> list[Path]:
    """Remove the temporary files that killed runs left directly in a folder of outputs.

    Safe while others write there, from other machines too: a file is removed only if its name says
    that this running system made it, so that its lock can be seen here on any file system, if it
    is a minute old, and if nobody holds the lock. What was left before a restart, or by another
    machine, stays; so does everything where the system has no locks or no id of its own.

    Args:
        folder: is not searched deeper; one that is missing, unreadable or in a store has none.

    Returns:
        The files that were removed.
    """
    if isinstance(folder, StorePath) or _system() == _UNKNOWN:
        return []
    removed = []
    with suppress(OSError):
        for name in _hidden_parts(folder):
            made = _NAME.fullmatch(name)
            if made is not None and made[1] == _system() and _was_removed(folder / name):
                removed.append(folder / name)
    return removed


def _hidden_parts(folder: Path) -> list[str]:
    """Names that temporary files may have; quick, for folders of a million files."""
    with os.scandir(folder) as entries:
        return [e.name for e in entries if e.name[0] == "." and e.name.endswith(".part")]


def _was_removed(path: Path) -> bool:
    """Remove a temporary file if it is old and nobody's; whether that was done."""
    try:
        status = path.lstat()
        if not stat.S_ISREG(status.st_mode) or time.time() - status.st_mtime < _AGE:
            return False
        descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        if not lock(descriptor):
            return False
        path.unlink()
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


@lru_cache(maxsize=1)
def _system() -> str:
    """Which running system this is: another machine's, or after a restart, is another one.

    Containers on one machine share it, as they share the locks.
    """
    try:
        boot = _BOOT_ID.read_bytes().strip()
    except OSError:
        return _UNKNOWN
    return hashlib.blake2b(boot, digest_size=4).hexdigest()
