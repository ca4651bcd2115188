"""Large arrays in temporary files, for photos that memory has no room for.

An array of a scratch folder is mapped from an unlinked file: it is read and written like any
other, and what of it lies in memory can be given up at any moment, since the file has it. A guard
does so whenever the process holds nearly as much as it may.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from mattecli.errors import ResourceError
from mattecli.records import Array

__all__ = ["Scratch", "give_back_freed"]

_STRIP_BYTES = 32 << 20
_SECONDS = 0.01  # between two looks at how much is held
_TRIM_SECONDS = 0.3


class Scratch:
    """Makes such arrays while there is need for them; a context, in which the guard is on.

    Args:
        resident: tells how many bytes of memory the process holds.
        most: bytes above which the guard gives up what files have.
    """

    def __init__(self, resident: Callable[[], int], most: int) -> None:
        self._resident = resident
        self._most = most
        self._maps: weakref.WeakSet[mmap.mmap] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._trimmed = 0.0
        self._guard = threading.Thread(target=self._watch, name="scratch", daemon=True)

    def __enter__(self) -> Self:
        self._guard.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._guard.join()

    def zeros(self, shape: tuple[int, ...], dtype: npt.DTypeLike) -> Array:
        """Zeros in a file of its own, which goes when the array does.

        Raises:
            ResourceError: there is no room in the folder for temporary files.
        """
        size = max(int(np.prod(shape)) * np.dtype(dtype).itemsize, 1)
        try:
            with tempfile.TemporaryFile(prefix="mattecli-") as file:
                file.truncate(size)
                if hasattr(os, "posix_fallocate"):
                    # Room is taken now: a mapping of a full disk would end the process later.
                    os.posix_fallocate(file.fileno(), 0, size)
                mapped = mmap.mmap(file.fileno(), size)
        except OSError as error:
            raise _refused(error, size) from error
        with self._lock:
            self._maps.add(mapped)
        return np.frombuffer(mapped, dtype, int(np.prod(shape))).reshape(shape)

    @staticmethod
    def has(image: Array) -> bool:
        """Whether an array lies in a file already."""
        owner: object = image
        while isinstance(owner, np.ndarray):
            owner = owner.base
        return isinstance(owner, memoryview | mmap.mmap)

    def kept(self, image: Array) -> Array:
        """A copy in a file."""
        copy = self.zeros(image.shape, image.dtype)
        rows = max(_STRIP_BYTES // max(image[:1].nbytes, 1), 1)
        for top in range(0, len(image), rows):
            copy[top : top + rows] = image[top : top + rows]
            self._give_up_if_needed()
        return copy

    def _watch(self) -> None:
        while not self._closing.wait(_SECONDS):
            self._give_up_if_needed()

    def _give_up_if_needed(self) -> None:
        if self._resident() < self._most:
            return
        now = time.monotonic()
        with self._lock:
            for mapped in list(self._maps):
                # Shared pages of a file: the next look reads them again, changes included.
                mapped.madvise(mmap.MADV_DONTNEED)
            trims = now - self._trimmed > _TRIM_SECONDS
            self._trimmed = now if trims else self._trimmed
        if trims:
            give_back_freed()


def give_back_freed() -> None:
    """Give freed memory back that the C library keeps for later, where it can be told to."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
    if trim is not None:
        trim(0)


def _refused(error: OSError, size: int) -> ResourceError:
    if error.errno == errno.ENOMEM:
        return ResourceError(
            f"the limit on address space leaves no room for {size / 1e6:.0f} MB",
            remedy="raise 'ulimit -v', since files need addresses too",
        )
    return ResourceError(
        f"{tempfile.gettempdir()} has no room for {size / 1e6:.0f} MB ({error.strerror})",
        remedy="set TMPDIR to a folder with room, or raise --max-memory",
    )
