"""TIFF directories: reading tags (EXIF too, which is a TIFF directory) and rewriting them.

From TIFF Revision 6.0 (section 2) and Adobe's BigTIFF layout. Pillow's parser warns about odd tags
and OpenCV obeys some it is told to ignore, so tags are read here and decoders are handed a file
whose directory holds only what describes pixels (``rewritten``).
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum

from mattecli.errors import ImageReadError
from mattecli.media.containers.header import damaged, truncated

__all__ = [
    "LIST_TAGS",
    "Directory",
    "Tag",
    "TagValues",
    "count_directories",
    "read_directory",
    "rewritten",
    "without_metadata",
]


class Tag(IntEnum):
    """The tags used here (TIFF 6.0, section 8; Exif 2.32; ICC.1 annex B.4; Adobe DNG)."""

    INTEROPERABILITY_INDEX = 1
    SUBFILE_TYPE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    CHANNELS = 277
    ROWS_PER_STRIP = 278
    STRIP_SIZES = 279
    X_RESOLUTION = 282
    Y_RESOLUTION = 283
    PLANAR = 284
    RESOLUTION_UNIT = 296
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_SIZES = 325
    EXTRA_SAMPLES = 338
    SAMPLE_FORMAT = 339
    EXIF_DIRECTORY = 34665
    ICC_PROFILE = 34675
    COLOUR_SPACE = 40961
    INTEROPERABILITY_DIRECTORY = 40965
    DNG_VERSION = 50706


_CODEC_TAGS = (266, 292, 293, 317, 320, 332, 347, 529, 530, 531, 532)  # fill order .. YCbCr

_PIXEL_TAGS = frozenset(_CODEC_TAGS) | frozenset(Tag) - {
    Tag.INTEROPERABILITY_INDEX,
    Tag.SUBFILE_TYPE,
    Tag.ORIENTATION,
    Tag.X_RESOLUTION,
    Tag.Y_RESOLUTION,
    Tag.RESOLUTION_UNIT,
    Tag.EXIF_DIRECTORY,
    Tag.ICC_PROFILE,
    Tag.COLOUR_SPACE,
    Tag.INTEROPERABILITY_DIRECTORY,
    Tag.DNG_VERSION,
}
"""Tags without which pixels cannot be decoded."""

LIST_TAGS = frozenset((320, 347, 529, 530, 532)) | {
    Tag.BITS,
    Tag.STRIP_OFFSETS,
    Tag.STRIP_SIZES,
    Tag.TILE_OFFSETS,
    Tag.TILE_SIZES,
    Tag.EXTRA_SAMPLES,
    Tag.SAMPLE_FORMAT,
}
"""The tags among them that may have several values."""

_KNOWN = _PIXEL_TAGS | frozenset(Tag)

_SHORT, _RATIONAL = 3, 5
_VALUE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_VALUE_BYTES |= {13: 4, 16: 8, 17: 8, 18: 8}
_INTEGERS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_MAX_DIRECTORIES = 10_000


@dataclass(frozen=True, slots=True)
class TagValues:
    """One tag's values: TIFF type, number of values, and their bytes in the file's order."""

    kind: int
    count: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class Directory:
    """One image file directory, without tags that have no use here.

    Attributes:
        order: byte order as ``struct`` writes it, ``<`` or ``>``.
        big: the file is a BigTIFF (64-bit offsets).
        entries: values by tag.
    """

    order: str
    big: bool
    entries: Mapping[int, TagValues]

    def numbers(self, tag: int) -> tuple[int, ...]:
        """The tag's integers; empty where it is absent or not of integers."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind not in _INTEGERS:
            return ()
        return struct.unpack(f"{self.order}{entry.count}{_INTEGERS[entry.kind]}", entry.raw)

    def number(self, tag: int, default: int = 0) -> int:
        """The tag's first integer."""
        return next(iter(self.numbers(tag)), default)

    def ratio(self, tag: int) -> float:
        """The tag's first fraction; 0 where it is absent or makes no sense."""
        entry = self.entries.get(tag)
        if entry is None or entry.kind != _RATIONAL:
            return 0.0
        above, below = struct.unpack_from(f"{self.order}II", entry.raw)
        return above / below if below else 0.0

    @property
    def orientation(self) -> int:
        """The orientation tag, 1..8; 1 where it is absent or makes no sense."""
        value = self.number(Tag.ORIENTATION, 1)
        return value if 1 <= value <= 8 else 1

    def shorts(self, *values: int) -> TagValues:
        """16-bit integers as a tag's values in this directory."""
        return TagValues(_SHORT, len(values), struct.pack(f"{self.order}{len(values)}H", *values))

    def fraction(self, value: float) -> TagValues:
        """A positive number as a tag's value in this directory, to a thousandth."""
        return TagValues(_RATIONAL, 1, struct.pack(f"{self.order}II", round(value * 1000), 1000))


@dataclass(frozen=True, slots=True)
class _Layout:
    """How a directory is laid out: ``struct`` codes and the bytes that a value has inline."""

    order: str
    big: bool

    @property
    def count(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "H"))

    @property
    def entry(self) -> struct.Struct:
        return struct.Struct(self.order + ("HHQ8s" if self.big else "HHI4s"))

    @property
    def offset(self) -> struct.Struct:
        return struct.Struct(self.order + ("Q" if self.big else "I"))

    @property
    def first_offset_at(self) -> int:
        return 8 if self.big else 4

    def number(self, code: struct.Struct, data: bytes, at: int) -> int:
        """The integer at an offset of the file."""
        if not 0 <= at <= len(data) - code.size:  # a signed tag may hold anything
            raise truncated()
        number: int = code.unpack_from(data, at)[0]
        return number

    def rows(self, data: bytes, at: int) -> slice:
        """Where the entries of the directory at offset ``at`` are."""
        start = at + self.count.size
        stop = start + self.number(self.count, data, at) * self.entry.size
        if stop > len(data):
            raise truncated()
        return slice(start, stop)

    def value(self, data: bytes, offset: bytes, size: int) -> bytes:
        """``size`` bytes of the file from a packed offset, fewer where it ends before."""
        (start,) = self.offset.unpack(offset)
        return data[start : start + size]


def read_directory(data: bytes, at: int | None = None) -> Directory:
    """A directory of the file.

    Tags that are not used here, or whose values do not lie inside the file, are left out.

    Args:
        data: the file.
        at: the directory's offset; None for the first.

    Raises:
        ImageReadError: there is no whole directory.
    """
    layout = _layout(data)
    if at is None:
        at = layout.number(layout.offset, data, layout.first_offset_at)
    rows = data[layout.rows(data, at)]
    entries: dict[int, TagValues] = {}
    for tag, kind, values, inline in layout.entry.iter_unpack(rows):
        if tag in _KNOWN and tag not in entries:
            size = _VALUE_BYTES.get(kind, 0) * values
            raw = inline[:size] if size <= len(inline) else layout.value(data, inline, size)
            if size and len(raw) == size:
                entries[tag] = TagValues(kind, values, raw)
    return Directory(layout.order, layout.big, entries)


def _layout(data: bytes) -> _Layout:
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    version = data[2:4]
    if order is None or version not in (b"*\0", b"\0*", b"+\0", b"\0+"):
        raise damaged("it has no TIFF header")
    return _Layout(order, b"+" in version)


def count_directories(data: bytes) -> int:
    """How many pictures are chained, up to one that is missing or comes twice; at least 1.

    Smaller copies of a picture (thumbnails, levels of a pyramid) do not count.
    """
    layout = _layout(data)
    seen: set[int] = set()
    copies = 0
    at = layout.number(layout.offset, data, layout.first_offset_at)
    while at and at not in seen and len(seen) < _MAX_DIRECTORIES:
        try:
            rows = layout.rows(data, at)
            copies += _is_copy(layout, data[rows])
            following = layout.number(layout.offset, data, rows.stop)
        except ImageReadError:
            following = 0
        seen.add(at)
        at = following
    return max(1, len(seen) - copies)


def _is_copy(layout: _Layout, rows: bytes) -> bool:
    """Whether a directory's entries say that its picture is a smaller copy (bit 0 of tag 254)."""
    for tag, _kind, _values, inline in layout.entry.iter_unpack(rows):
        if tag == Tag.SUBFILE_TYPE:
            (kind,) = struct.unpack_from(layout.order + "I", inline)
            return bool(kind & 1)
    return False


def rewritten(data: bytes, directory: Directory, changes: Mapping[int, TagValues]) -> bytes:
    """The file with a new first and only directory, appended; pixels stay where they are.

    Args:
        data: a TIFF file.
        directory: the directory to start from, with the tags that shall stay.
        changes: tags to add or replace.

    Raises:
        OverflowError: the file is too large for the offsets of its kind (4 GiB for TIFF).
    """
    layout = _Layout(directory.order, directory.big)
    entries = sorted({**directory.entries, **changes}.items())
    padding = b"\0" * (-len(data) % 8)
    start = len(data) + len(padding)
    values_at = start + layout.count.size + len(entries) * layout.entry.size + layout.offset.size
    if not layout.big and values_at + sum(len(entry.raw) + 8 for _, entry in entries) >= 1 << 32:
        raise OverflowError("a TIFF file ends at 4 GiB")
    rows, values = [layout.count.pack(len(entries))], b""
    for tag, entry in entries:
        inline = entry.raw
        if len(inline) > layout.offset.size:
            inline = layout.offset.pack(values_at + len(values))
            values += entry.raw + b"\0" * (-len(entry.raw) % 8)
        rows.append(layout.entry.pack(tag, entry.kind, entry.count, inline))
    rows.append(layout.offset.pack(0))
    at = layout.first_offset_at
    head = data[:at] + layout.offset.pack(start)
    return b"".join([head, memoryview(data)[len(head) :], padding, *rows, values])


def without_metadata(directory: Directory) -> Directory:
    """The directory with only the tags that describe pixels."""
    kept = {tag: entry for tag, entry in directory.entries.items() if tag in _PIXEL_TAGS}
    return replace(directory, entries=kept)
