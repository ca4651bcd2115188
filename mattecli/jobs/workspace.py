"""Where the large arrays of photos live: in memory, or in files where that has no room."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from mattecli.engine.memory import Memory, parse_bytes, resident_bytes, shown_bytes
from mattecli.media.scratch import Scratch
from mattecli.records import Array

__all__ = ["Workspace"]

_PIXEL_BYTES = 26
"""What a cut-out of an 8-bit photo takes for each pixel when nothing is put aside, network left
out: photo, alpha, foreground, and the file that is made of them."""

_PROGRAM = 480_000_000  # what Python, PyTorch and a small network take
_FILL = 0.85  # of what may be held: then files' pages are given up
_SMALL = 4 << 20


class Workspace:
    """The memory of one run; a context.

    Args:
        max_memory: as given by the user, or None: what is free.

    Raises:
        UsageError: it is no size.
    """

    def __init__(self, max_memory: str | None) -> None:
        self.memory = Memory(None if max_memory is None else parse_bytes(max_memory))
        most = resident_bytes() + self.memory.room()
        self._most = min(most, self.memory.limit or most)
        self._scratch = Scratch(resident_bytes, int(self._most * _FILL))

    def __enter__(self) -> Self:
        self._scratch.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._scratch.__exit__(kind, error, trace)

    @property
    def pixels(self) -> int:
        """How many pixels of photos may be under way at once."""
        return max((self._most - _PROGRAM) // _PIXEL_BYTES, 1)

    def forecast(self, pixels: int) -> str:
        """What a photo will take, for people."""
        needed = shown_bytes(_PROGRAM + pixels * _PIXEL_BYTES)
        text = f"{needed} for {pixels / 1e6:.0f} megapixels, of {shown_bytes(self._most)}"
        return text + (", the rest in temporary files" if pixels > self.pixels else "")

    def keep(self, image: Array) -> Array:
        """The array, in a file if its photo is too large for memory."""
        fits = image.shape[0] * image.shape[1] <= self.pixels or image.nbytes < _SMALL
        if fits or self._scratch.has(image):
            return image
        return self._scratch.kept(image)

    def place(self, shape: tuple[int, ...]) -> Array | None:
        """A file's array of uint8 for a photo of this shape, if it is too large for memory."""
        if shape[0] * shape[1] <= self.pixels:
            return None
        return self._scratch.zeros(shape, np.uint8)

    def zeros(self, shape: tuple[int, ...], dtype: npt.DTypeLike = np.float32) -> Array:
        """Zeros, likewise."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if shape[0] * shape[1] <= self.pixels or size < _SMALL:
            return np.zeros(shape, dtype)
        return self._scratch.zeros(shape, dtype)
