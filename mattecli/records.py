"""Frozen records that cross module borders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["Array", "ItemRecord", "Picture", "Report", "Size", "Status"]

Status: TypeAlias = Literal["done", "skipped", "planned", "failed"]

Array = npt.NDArray[Any]
"""An image: H,W (grey) or H,W,3 (RGB); uint8, uint16, or float32 in 0..1."""


class HasShape(Protocol):
    """An array, or anything else that has an array's shape."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows, columns, and perhaps channels."""


class Size(NamedTuple):
    """Width and height in pixels."""

    width: int
    height: int

    @classmethod
    def of(cls, image: HasShape) -> Size:
        """The size of an H,W or H,W,C array."""
        return cls(int(image.shape[1]), int(image.shape[0]))

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height

    def scaled(self, factor: float) -> Size:
        """Both sides times ``factor``, rounded; at least one pixel each."""
        return Size(max(1, round(self.width * factor)), max(1, round(self.height * factor)))

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


class Resolution(NamedTuple):
    """Pixels per inch."""

    across: float
    down: float

    @classmethod
    def sensible(cls, across: float, down: float) -> Resolution | None:
        """A resolution, unless there is none of such numbers."""
        return cls(across, down) if 1 <= min(across, down) <= max(across, down) < 65_536 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A decoded photo.

    Attributes:
        color: H,W,3 RGB; uint8, uint16, or float32 (scene values may exceed 1), C-contiguous,
            upright (the EXIF orientation is applied), not premultiplied.
        alpha: the file's own alpha, H,W of the same dtype, or None.
        icc: the embedded ICC profile's bytes, unchanged, or a profile of what the file says
            otherwise of colours that are not sRGB; None if there is none, or if the colours had to
            be converted (CMYK), so that the profile no longer describes them.
        resolution: for print and layout, where the file names one; upright.
        full: the photo's full size, upright; larger than ``color`` if that was decoded reduced.
        frames: how many pictures the file holds; this is the first.
    """

    color: Array
    alpha: Array | None = None
    icc: bytes | None = None
    resolution: Resolution | None = None
    full: Size
    frames: int = 1

    @property
    def bit_depth(self) -> int:
        """8, 16 or 32 bits a channel."""
        return int(np.dtype(self.color.dtype).itemsize) * 8


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRecord:
    """What became of one input.

    Attributes:
        source: the input's path, or ``-``.
        status: done, skipped (outputs were there), planned (dry run) or failed.
        outputs: where each kind of output is, or will be; ``-`` is standard output.
        error: why it failed, in one line.
        size: the photo's size, upright, once known.
        crop: the part of it that outputs show (top, left, height, width); None for all of it.
        notes: what the user should know about it.
        companions: the files that were used with it, by role (trimap, truth ...).
        scores: the metrics measured on it, by name; None where there is no value.
        seconds: time by stage.
        trouble: the exception behind ``error``, for tracebacks.
    """

    source: str
    status: Status
    outputs: Mapping[str, str] = field(default_factory=dict)
    error: str | None = None
    size: Size | None = None
    crop: Mapping[str, int] | None = None
    notes: tuple[str, ...] = ()
    companions: Mapping[str, str] = field(default_factory=dict)
    scores: Mapping[str, float | None] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    trouble: BaseException | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The account of a run.

    Attributes:
        settings: what every item was processed with: model, weights' checksum, device, options.
        done, skipped, failed, planned: numbers of inputs.
        failures: the records of the first 1,000 that failed, in the order of the inputs, without
            their exceptions, which would keep pictures in memory.
        total: number of inputs; those that an interrupted or fail-fast run never reached are in
            none of the other numbers.
        seconds: wall time.
        interrupted: whether a signal ended it.
        folder: where its outputs go; "" where that is no folder.
        stages: seconds by stage, summed over threads.
        means: mean of each score over the inputs.
        unwritten: reports that could not be written, each with its reason.
    """

    settings: Mapping[str, object]
    total: int
    done: int = 0
    skipped: int = 0
    failed: int = 0
    planned: int = 0
    failures: tuple[ItemRecord, ...] = ()
    seconds: float = 0.0
    interrupted: bool = False
    folder: str = ""
    stages: Mapping[str, float] = field(default_factory=dict)
    means: Mapping[str, float | None] = field(default_factory=dict)
    unwritten: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 all done; 1 some failed, or a report could not be written; 130 interrupted."""
        if self.interrupted:
            return 130
        return 1 if self.failed or self.unwritten else 0
