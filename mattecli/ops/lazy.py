"""Images whose rows are made when they are read, so that a writer needs no whole image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mattecli.records import Array

__all__ = ["LazyImage"]


@dataclass(frozen=True, slots=True)
class LazyImage:
    """An image of known shape and type; ``image[rows]`` is an array, and so is np.asarray of it.

    Attributes:
        shape: H,W or H,W,C.
        dtype: uint8 or uint16.
        make: makes the rows of a slice.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    make: Callable[[slice], Array]

    @property
    def ndim(self) -> int:
        """2 or 3."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice) -> Array:
        return self.make(rows)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Array:
        return np.asarray(self.make(slice(0, self.shape[0])), dtype)
