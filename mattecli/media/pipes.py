"""Reading pipes, which may have nothing to say for long: an interrupt ends the wait."""

from __future__ import annotations

import io
import os
import select
import stat
from pathlib import Path
from typing import BinaryIO, cast

from mattecli.errors import ImageReadError
from mattecli.interruption import is_interrupted

__all__ = ["is_pipe", "open_pipe", "read_stdin"]

_LOOK_MS = 200
_CHUNK = 1 << 16


def is_pipe(path: Path) -> bool:
    """Whether a name stands for a pipe.

    Raises:
        OSError: there is nothing of that name, or nothing that may be looked at.
    """
    return stat.S_ISFIFO(path.stat().st_mode)


def open_pipe(path: Path) -> BinaryIO:
    """A named pipe, open for reading before anybody writes to it.

    Raises:
        OSError: it cannot be opened.
    """
    return _reader(os.open(path, os.O_RDONLY | os.O_NONBLOCK), owned=True)


def read_stdin(stream: BinaryIO) -> bytes:
    """All of standard input, or of what stands in for it.

    Raises:
        ImageReadError: the run was interrupted before its end came.
    """
    try:
        descriptor = stream.fileno()
        waits = not stat.S_ISREG(os.fstat(descriptor).st_mode)
    except (OSError, ValueError, AttributeError):  # bytes in memory
        waits = False
    return _reader(descriptor, owned=False).read() if waits else stream.read()


def _reader(descriptor: int, *, owned: bool) -> BinaryIO:
    return cast(BinaryIO, io.BufferedReader(_Patient(descriptor, owned), _CHUNK))


class _Patient(io.RawIOBase):
    """Waits for bytes a moment at a time."""

    def __init__(self, descriptor: int, owned: bool) -> None:
        self._descriptor = descriptor
        self._owned = owned
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLIN)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override] # any buffer is one
        while True:
            while not self._poll.poll(_LOOK_MS):
                if is_interrupted():
                    raise ImageReadError("the run was interrupted while nothing came from the pipe")
            try:
                return os.readv(self._descriptor, [buffer])
            except BlockingIOError:  # another reader was faster
                continue

    def close(self) -> None:
        if self._owned and not self.closed:
            os.close(self._descriptor)
        super().close()
