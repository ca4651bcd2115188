"""Portable any-map files: PBM, PGM and PPM, plain and raw (netpbm's file format pages)."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from mattecli.media.containers.header import Header, damaged, truncated
from mattecli.records import Array, Size

__all__ = ["raw_pixels", "read_header"]

_GAP = rb"(?:\s|#[^\r\n]*[\r\n])+"
_SIZE = re.compile(rb"P([1-6])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})")
_MAXIMUM = re.compile(_GAP + rb"(\d{1,5})\s")
_BITMAPS = (1, 4)
_RAW_CHANNELS = {5: 1, 6: 3}
_HEADER_BYTES = 4096  # comments included


@dataclass(frozen=True, slots=True)
class _Start:
    kind: int
    size: Size
    maximum: int
    end: int

    @property
    def bit_depth(self) -> int:
        return 8 if self.maximum < 256 else 16


def _start(data: bytes) -> _Start:
    head = data[:_HEADER_BYTES]
    found = _SIZE.match(head)
    if found is None:
        raise truncated() if len(data) < _HEADER_BYTES else damaged("its PNM header is wrong")
    kind, width, height = map(int, found.groups())
    if kind in _BITMAPS:
        return _Start(kind, Size(width, height), 1, found.end())
    most = _MAXIMUM.match(head, found.end())
    if most is None:
        raise truncated()
    maximum = int(most[1])
    if not 0 < maximum < 65_536:
        raise damaged(f"its greatest value is {maximum}")
    return _Start(kind, Size(width, height), maximum, most.end())


def read_header(data: bytes) -> Header:
    """The header of the file.

    Raises:
        ImageReadError: it is damaged or cut off.
    """
    start = _start(data)
    return Header(
        format="pnm",
        stored=start.size,
        mode="rgb" if start.kind in (3, 6) else "grey",
        bit_depth=1 if start.kind in _BITMAPS else start.bit_depth,
    )


def raw_pixels(data: bytes) -> Array | None:
    """H,W or H,W,3 of a raw grey or colour file, uint8 or uint16, stretched to all their levels.

    None for the other kinds.

    Raises:
        ImageReadError: pixels are missing.
    """
    start = _start(data)
    channels = _RAW_CHANNELS.get(start.kind)
    if channels is None:
        return None
    stored = np.dtype(np.uint8 if start.bit_depth == 8 else ">u2")
    count = start.size.pixels * channels
    if len(data) - start.end < count * stored.itemsize:
        raise truncated()
    values = np.frombuffer(data, stored, count, start.end)
    white = 2**start.bit_depth - 1
    if start.maximum != white:
        levels = np.arange(white + 1, dtype=np.float64).clip(max=start.maximum)
        values = np.rint(levels * white / start.maximum).astype(stored)[values]
    shape = (start.size.height, start.size.width) + ((3,) if channels == 3 else ())
    return values.astype(stored.newbyteorder("="), copy=True).reshape(shape)
