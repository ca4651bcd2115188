"""The chunks of a WebP file (RFC 9649, sections 2, 2.7 and 3)."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mattecli.media.containers.exif import read_exif
from mattecli.media.containers.header import Header, damaged, truncated
from mattecli.records import Size

__all__ = ["read_header"]

_VP8_START, _VP8L_START = b"\x9d\x01\x2a", 0x2F
_HAS_ALPHA = 0x10


@dataclass(frozen=True, slots=True)
class _Canvas:
    size: Size
    has_alpha: bool


def read_header(data: bytes) -> Header:
    """The header of the file.

    Raises:
        ImageReadError: the file is cut off or damaged.
    """
    chunks: dict[bytes, memoryview] = {}
    frames = 0
    for name, body in _chunks(data):
        chunks.setdefault(name, body)
        frames += name == b"ANMF"
    try:
        canvas = _canvas(chunks)
    except struct.error:
        raise damaged("its WebP header is too short") from None
    profile = chunks.get(b"ICCP")
    told = read_exif(bytes(chunks.get(b"EXIF", b"")))
    return Header(
        format="webp",
        stored=canvas.size,
        mode="rgba" if canvas.has_alpha else "rgb",
        orientation=told.orientation,
        icc=bytes(profile) if profile else told.icc,
        stored_resolution=told.resolution,
        frames=max(1, frames),
    )


def _chunks(data: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Names and bodies of all chunks."""
    end = 8 + int.from_bytes(data[4:8], "little")
    if end > len(data):
        raise truncated()
    view = memoryview(data)[:end]
    at = 12
    while at + 8 <= end:
        length = int.from_bytes(view[at + 4 : at + 8], "little")
        yield bytes(view[at : at + 4]), view[at + 8 : at + 8 + length]
        at += 8 + length + length % 2


def _canvas(chunks: Mapping[bytes, memoryview]) -> _Canvas:
    if b"VP8X" in chunks:
        flags, packed = struct.unpack_from("<I6s", chunks[b"VP8X"])
        width, height = (int.from_bytes(packed[at : at + 3], "little") + 1 for at in (0, 3))
        return _Canvas(Size(width, height), bool(flags & _HAS_ALPHA))
    if b"VP8L" in chunks:
        start, bits = struct.unpack_from("<BI", chunks[b"VP8L"])
        if start == _VP8L_START:
            size = Size((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
            return _Canvas(size, bool(bits >> 28 & 1))
    if b"VP8 " in chunks:
        start, width, height = struct.unpack_from("<3x3sHH", chunks[b"VP8 "])
        if start == _VP8_START:
            return _Canvas(Size(width & 0x3FFF, height & 0x3FFF), has_alpha=False)
    raise damaged("its WebP header is missing")
