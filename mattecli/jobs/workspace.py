"""Where the large arrays of photos live: in memory, or in files where that has no room."""

from __future__ import annotations

from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from mattecli.engine.memory import Memory, parse_bytes, resident_bytes, shown_bytes
from mattecli.errors import UsageError
from mattecli.media.scratch import Scratch
from mattecli.records import Array

__all__ = ["Workspace"]

_PIXEL_BYTES = 26
"""What a cut-out of an 8-bit photo takes for each pixel when nothing is put aside, network left
out: photo, alpha, foreground, and the file that is made of them."""

_PROGRAM = 480_000_000  # what Python, PyTorch and a small network take
_NETWORK = 100_000_000  # of that: what a small network works with at its own size
_USUAL_PIXELS = 2_000_000  # of a photo in flight, for which each lane needs room, too
_FILL = 0.85  # of what may be held; beyond it scratch files leave memory
_SMALL = 4 << 20


class Workspace:
    """The memory of one run; a context manager.

    Args:
        max_memory: as given by the user, or None: what is free.

    Raises:
        UsageError: it is no size.
    """

    def __init__(self, max_memory: str | None) -> None:
        self.memory = Memory(None if max_memory is None else parse_bytes(max_memory))
        most = resident_bytes() + self.memory.room()
        self._most = min(most, self.memory.limit or most)
        self._reserved = 0
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

    def reserve(self, each: int, lanes: int, short_side: int | None) -> int:
        """Set memory aside for a network.

        Args:
            each: what a photo, or a batch of them, takes while it is in the network, bytes.
            lanes: how many may be in it at once.
            short_side: at which it sees them.

        Returns:
            How many lanes there is room for beside photos: at most ``lanes``, at least one.

        Raises:
            UsageError: the user's limit does not allow one.
        """
        limit = self.memory.limit
        if each:
            alone = _PROGRAM - _NETWORK + each
            if limit is not None and each > _NETWORK and alone > limit:
                raise UsageError(
                    f"photos seen at a short side of {short_side} take about"
                    f" {shown_bytes(alone)}, more than --max-memory {shown_bytes(limit)}",
                    remedy="give a smaller --size, a smaller --batch-size, or more memory",
                )
            fitting = (self._most - _PROGRAM + _NETWORK) // (each + _USUAL_PIXELS * _PIXEL_BYTES)
            lanes = max(1, min(lanes, fitting))
        self._reserved = max(lanes * each - _NETWORK, 0)
        return lanes

    @property
    def pixels(self) -> int:
        """Upper bound for pixels of photos in flight."""
        return max((self._most - _PROGRAM - self._reserved) // _PIXEL_BYTES, 1)

    def forecast(self, pixels: int) -> str:
        """What a photo will take, for people."""
        needed = shown_bytes(_PROGRAM + self._reserved + pixels * _PIXEL_BYTES)
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
        """Zeros, in a file if their photo is too large for memory."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if shape[0] * shape[1] <= self.pixels or size < _SMALL:
            return np.zeros(shape, dtype)
        return self._scratch.zeros(shape, dtype)
