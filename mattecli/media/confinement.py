"""Keeps outputs inside the folder that the user named, whatever links lie in it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from mattecli.errors import ImageWriteError
from mattecli.media.causes import write_words
from mattecli.media.paths import is_there
from mattecli.media.stores.path import StorePath

__all__ = ["require_inside", "require_writable"]


def require_inside(path: Path, folder: Path | None) -> None:
    """Refuse a file that a link inside the output folder would put somewhere else.

    The folder itself may be a link: the user named it.

    Args:
        path: of the file, below ``folder`` by its name.
        folder: the output folder; None: the user named the file itself.

    Raises:
        ImageWriteError: it would land elsewhere.
    """
    if folder is None or isinstance(path, StorePath):
        return
    if not Path(os.path.realpath(path.parent)).is_relative_to(os.path.realpath(folder)):
        raise ImageWriteError(
            "a symbolic link in the output folder leads out of it",
            path=path,
            remedy="remove the link, or choose another output folder",
        )


def require_writable(path: Path) -> None:
    """Refuse a file that cannot be written, before any work is done for it.

    Raises:
        ImageWriteError: its folder, or the one that would hold its folder, may not be written.
    """
    if isinstance(path, StorePath) or is_there(path):  # what is there may be a device
        return
    for place in path.absolute().parents:
        if os.path.lexists(place):
            if place.is_dir() and not os.access(place, os.W_OK | os.X_OK):
                raise _refused(path, place)
            return


def _refused(path: Path, place: Path) -> ImageWriteError:
    read_only = os.statvfs(place).f_flag & os.ST_RDONLY
    error = OSError(errno.EROFS if read_only else errno.EACCES, "it may not be written")
    cause, remedy = write_words(error)
    return ImageWriteError(cause, path=path, remedy=remedy)
