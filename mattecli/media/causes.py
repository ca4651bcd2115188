"""What went wrong with a file, and what to do about it, in words for people."""

from __future__ import annotations

import errno
from collections.abc import Mapping

from mattecli.media.stores.service import StoreError

__all__ = ["read_words", "write_words"]

_EITHER_WAY = {
    errno.EMFILE: ("too many files are open", "use fewer --workers, or raise 'ulimit -n'"),
    errno.ENFILE: ("too many files are open on this machine", "close other programs"),
}
_READ_CAUSES = {
    errno.ENOENT: ("there is no such file", "check the name"),
    errno.ENOTDIR: ("there is no such file", "check the name"),
    errno.EISDIR: ("it is a folder", "name a file in it"),
    errno.EACCES: ("it may not be read", "change its permissions"),
    errno.EPERM: ("it may not be read", "change its permissions"),
    errno.ELOOP: ("it is a symbolic link that leads to itself", "mend the link"),
    errno.ENAMETOOLONG: ("its name is too long", "check the name"),
    **_EITHER_WAY,
}
_WRITE_CAUSES = {
    errno.ENOSPC: ("the disk is full", "free some space and run again with --existing skip"),
    errno.EDQUOT: ("the disk quota is used up", "free some space and run again"),
    errno.EROFS: ("the file system is read-only", "choose another output folder"),
    errno.EACCES: ("it may not be written", "change permissions or choose another output folder"),
    errno.EPERM: ("it may not be written", "change permissions or choose another output folder"),
    errno.ENAMETOOLONG: ("its name is too long", "choose a shorter one"),
    errno.EISDIR: ("it is a folder", "choose another name"),
    errno.ENOTDIR: ("a part of its path is a file", "choose another output folder"),
    errno.EEXIST: ("a part of its path is a file", "choose another output folder"),
    **_EITHER_WAY,
    errno.EFBIG: ("it is too large for the file system", "choose another output folder"),
}


def read_words(error: OSError) -> tuple[str, str]:
    """Cause and remedy where something could not be read."""
    return _words(error, _READ_CAUSES)


def write_words(error: OSError) -> tuple[str, str]:
    """Cause and remedy where something could not be written."""
    return _words(error, _WRITE_CAUSES)


def _words(error: OSError, causes: Mapping[int, tuple[str, str]]) -> tuple[str, str]:
    said = error.strerror or str(error)
    if isinstance(error, StoreError):
        return said, error.remedy
    return causes.get(error.errno or 0, (said, ""))
