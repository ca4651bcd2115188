"""An open video file."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from mattecli.errors import VideoReadError
from mattecli.media.video.probe import probe
from mattecli.media.video.records import ClipInfo

__all__ = ["Clip"]


class Clip:
    """An open video file, which can be read on if its name is removed meanwhile.

    Args:
        path: the file.
        max_pixels: larger frames are refused.

    Raises:
        VideoReadError: it is missing, unreadable, no video.
    """

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise VideoReadError(
                f"it cannot be opened ({reason})", path=path, remedy="check the name"
            ) from error
        try:
            self.info = probe(self.reopened(), path, max_pixels=max_pixels)
        except BaseException:
            self.close()
            raise

    def reopened(self) -> int:
        """The descriptor, at the file's beginning, for a child that reads it next."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return self._descriptor

    def another(self) -> int:
        """A descriptor of its own, so that two children can read at once; close it."""
        with suppress(OSError):
            return os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def joined_info(self) -> ClipInfo:
        """What is known of the file that ``reopened`` gives."""
        return self.info

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def __enter__(self) -> Clip:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
