"""Frozen records that cross module borders."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "Picture", "Size"]

Array = npt.NDArray[Any]
"""An image: H,W (grey) or H,W,3 (RGB); uint8, uint16, or float32 in 0..1."""


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    @classmethod
    def of(cls, image: Array) -> Size:
        """The size of an H,W or H,W,C array."""
        return cls(int(image.shape[1]), int(image.shape[0]))

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A decoded photo.

    Attributes:
        color: H,W,3 RGB; uint8, uint16, or float32 (scene values may exceed 1), C-contiguous,
            upright (the EXIF orientation is applied), not premultiplied.
        alpha: the file's own alpha, H,W of the same dtype, or None.
        icc: the embedded ICC profile's bytes, unchanged, or None. None where the colours had to
            be converted and the profile no longer describes them (CMYK).
        full: the photo's full size, upright; larger than ``color`` where it was decoded reduced.
    """

    color: Array
    alpha: Array | None = None
    icc: bytes | None = None
    full: Size

    @property
    def is_reduced(self) -> bool:
        """Whether ``color`` is smaller than the photo."""
        return Size.of(self.color) != self.full

    @property
    def bit_depth(self) -> int:
        """8, 16 or 32 bits a channel."""
        return int(np.dtype(self.color.dtype).itemsize) * 8
