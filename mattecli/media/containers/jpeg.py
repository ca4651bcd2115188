"""The header of a JPEG file (ITU-T T.81 annex B; ICC.1 annex B.4; Exif 2.32; Adobe TN 5116)."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from mattecli.media.containers.exif import read_exif
from mattecli.media.containers.header import Header, Mode, damaged, truncated, unsupported
from mattecli.records import Resolution, Size

__all__ = ["end_of", "pixels_only", "read_header"]

_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN, _END_OF_IMAGE, _APP0, _APP1, _APP2 = 0xDA, 0xD9, 0xE0, 0xE1, 0xE2
_MARKER = re.compile(
    rb"\xff([^\x00\x01\xd0-\xd8\xff])"
)  # those that a segment follows, and the end
_METADATA = frozenset((*range(0xE1, 0xEE), 0xEF, 0xFE))  # all but JFIF's and Adobe's colour space
_END = bytes((0xFF, _END_OF_IMAGE))
_JFIF, _EXIF, _ICC = b"JFIF\0", b"Exif\0\0", b"ICC_PROFILE\0"
_INCHES = {1: 1.0, 2: 2.54}  # by the unit of JFIF: pixels per inch, per centimetre
_MODES: dict[int, Mode] = {1: "grey", 3: "rgb", 4: "cmyk"}


@dataclass(frozen=True, slots=True)
class _Segment:
    marker: int
    start: int
    end: int
    payload: bytes


def read_header(data: bytes) -> Header:
    """The header of the file.

    Raises:
        ImageReadError: it is damaged, or of a kind that is not read.
    """
    frame = exif = jfif = b""
    profile: dict[int, bytes] = {}
    parts = 0
    for segment in _segments(data):
        payload = segment.payload
        if segment.marker in _START_OF_FRAME:
            frame = payload
        elif segment.marker == _APP0 and payload.startswith(_JFIF):
            jfif = jfif or payload
        elif segment.marker == _APP1 and payload.startswith(_EXIF):
            exif = exif or payload
        elif segment.marker == _APP2 and payload.startswith(_ICC) and len(payload) > 14:
            number, parts = payload[12:14]
            profile[number] = payload[14:]
    if len(frame) < 6:
        raise damaged("its JPEG frame header is missing")
    depth, height, width, channels = struct.unpack_from(">BHHB", frame)
    if depth != 8 or channels not in _MODES or not height:
        raise unsupported(f"a {depth}-bit JPEG of {channels} channels and {height} lines")
    whole = parts and sorted(profile) == list(range(1, parts + 1))
    told = read_exif(exif)
    return Header(
        format="jpeg",
        stored=Size(width, height),
        mode=_MODES[channels],
        orientation=told.orientation,
        icc=b"".join(profile[number] for number in sorted(profile)) if whole else told.icc,
        stored_resolution=_density(jfif) or told.resolution,
    )


def _density(jfif: bytes) -> Resolution | None:
    """The resolution of a JFIF segment, which may name a mere aspect ratio (JFIF 1.02)."""
    if len(jfif) < 12:
        return None
    unit, across, down = struct.unpack_from(">BHH", jfif, 7)
    factor = _INCHES.get(unit, 0.0)
    return Resolution.sensible(factor * across, factor * down)


def pixels_only(data: bytes) -> bytes:
    """The file without EXIF, profiles and other metadata, once its end has been found.

    Markers before the first scan may belong to thumbnails; inside it 0xFF is stuffed, so that the
    end-of-image marker cannot occur by chance. What follows that marker (padding, more pictures)
    is of no interest.

    Raises:
        ImageReadError: the end is missing; decoders would leave the rest grey.
    """
    view = memoryview(data)
    kept = [view[:2]]
    scan = 2
    for segment in _segments(data):
        scan = segment.end
        if segment.marker not in _METADATA:
            kept.append(view[segment.start : segment.end])
    _end_behind(data, scan)
    return b"".join([*kept, view[scan:]])


def end_of(data: bytes) -> int:
    """Where the picture ends.

    Raises:
        ImageReadError: the end is missing.
    """
    return _end_behind(data, max((segment.end for segment in _segments(data)), default=2))


def _end_behind(data: bytes, scan: int) -> int:
    found = data.find(_END, scan)
    if found < 0:
        raise truncated()
    return found + len(_END)


def _segments(data: bytes) -> Iterator[_Segment]:
    """The segments from the start of the file up to and with the first scan's header."""
    at = 2
    while found := _MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        length = int.from_bytes(data[at : at + 2], "big")
        end = at + max(2, length)
        if marker == _END_OF_IMAGE or end > len(data):
            break
        yield _Segment(marker, found.start(), end, data[at + 2 : end])
        if marker == _START_OF_SCAN:
            return
        at = end
    raise truncated()
