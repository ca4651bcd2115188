"""The header of an OpenEXR file (OpenEXR File Layout, "Header" and "Attribute Layout")."""

from __future__ import annotations

import struct

from mattecli.media.containers.header import Header, damaged, truncated, unsupported
from mattecli.records import Size

__all__ = ["read_header", "require_complete"]

_ATTRIBUTES_AT = 8  # after the magic number and the version
_MAX_NAME_BYTES = 256
_TILED, _DEEP, _PARTS = 0x200, 0x800, 0x1000  # of the version field
_LINES = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256, 256, 32)  # of a chunk, by compression
_MOST_CHUNKS = 1 << 24
_KNOWN = frozenset((b"R", b"G", b"B", b"Y", b"A"))


def read_header(data: bytes) -> Header:
    """The header of the file's first part; its size is that of the picture as it is to be seen.

    Raises:
        ImageReadError: the file is cut off or damaged.
    """
    attributes, _ = _attributes(data)
    try:
        window = attributes.get(b"displayWindow") or attributes[b"dataWindow"]
        left, top, right, bottom = struct.unpack_from("<4i", window)
        channels = _channel_names(attributes[b"channels"])
    except (KeyError, struct.error):
        raise damaged("its OpenEXR header lacks the size or the channels") from None
    if not channels & _KNOWN:
        raise unsupported("an OpenEXR image without channels called R, G, B, Y or A")
    is_colour = bool(channels & {b"R", b"G", b"B"})
    return Header(
        format="exr",
        stored=Size(right - left + 1, bottom - top + 1),
        mode="rgba" if b"A" in channels else "rgb" if is_colour else "grey",
        bit_depth=32,
        is_float=True,
    )


def require_complete(data: bytes) -> None:
    """Refuse a file some of whose pixels are missing; its decoder would leave them black.

    Raises:
        ImageReadError: they are, or it is of a kind that is not read.
    """
    version = int.from_bytes(data[4:8], "little")
    if version & (_DEEP | _PARTS):
        raise unsupported("an OpenEXR image of several parts or deep pixels")
    attributes, end = _attributes(data)
    try:
        left, top, right, bottom = struct.unpack_from("<4i", attributes[b"dataWindow"])
        width, height = right - left + 1, bottom - top + 1
        if version & _TILED:
            across, down = struct.unpack_from("<2I", attributes[b"tiles"])
            count, head = -(-width // across) * -(-height // down), 16
        else:
            count, head = -(-height // _LINES[attributes[b"compression"][0]]), 4
    except (KeyError, struct.error, IndexError, ZeroDivisionError):
        raise damaged("its OpenEXR header makes no sense") from None
    if not 0 < count <= _MOST_CHUNKS or end + 8 * count > len(data):
        raise truncated()
    for at in struct.unpack_from(f"<{count}Q", data, end):
        if at + head + 4 > len(data):
            raise truncated()
        if at + head + 4 + int.from_bytes(data[at + head : at + head + 4], "little") > len(data):
            raise truncated()


def _attributes(data: bytes) -> tuple[dict[bytes, bytes], int]:
    """Values by name, and where they end.

    Each attribute is a name, a type (both zero-ended), a length, a value.
    """
    found: dict[bytes, bytes] = {}
    at = _ATTRIBUTES_AT
    while data[at : at + 1] != b"\0":
        name_end = data.find(b"\0", at, at + _MAX_NAME_BYTES)
        type_end = data.find(b"\0", name_end + 1, name_end + _MAX_NAME_BYTES)
        start = type_end + 5
        if name_end < 0 or type_end < 0 or start > len(data):
            raise truncated()
        length = int.from_bytes(data[type_end + 1 : start], "little")
        found[data[at:name_end]] = data[start : start + length]
        at = start + length
    return found, at + 1


def _channel_names(value: bytes) -> set[bytes]:
    """The names of a channel list: each is zero-ended and followed by 16 bytes."""
    names = set()
    at = 0
    while (end := value.find(b"\0", at)) > at:
        names.add(value[at:end])
        at = end + 17
    return names
