"""The header of an OpenEXR file (OpenEXR File Layout, "Header" and "Attribute Layout")."""

from __future__ import annotations

import struct

from mattecli.media.containers.header import Header, damaged, truncated
from mattecli.records import Size

__all__ = ["read_header"]

_ATTRIBUTES_AT = 8  # after the magic number and the version
_MAX_NAME_BYTES = 256


def read_header(data: bytes) -> Header:
    """The header of the file's first part.

    Raises:
        ImageReadError: the file is cut off or damaged.
    """
    attributes = _attributes(data)
    try:
        left, top, right, bottom = struct.unpack_from("<4i", attributes[b"dataWindow"])
        channels = _channel_names(attributes[b"channels"])
    except (KeyError, struct.error):
        raise damaged("its OpenEXR header lacks the size or the channels") from None
    is_colour = bool(channels & {b"R", b"G", b"B"})
    return Header(
        format="exr",
        stored=Size(right - left + 1, bottom - top + 1),
        mode="rgba" if b"A" in channels else "rgb" if is_colour else "grey",
        bit_depth=32,
        is_float=True,
    )


def _attributes(data: bytes) -> dict[bytes, bytes]:
    """Values by name: each attribute is a name, a type (both zero-ended), a length, a value."""
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
    return found


def _channel_names(value: bytes) -> set[bytes]:
    """The names of a channel list: each is zero-ended and followed by 16 bytes."""
    names = set()
    at = 0
    while (end := value.find(b"\0", at)) > at:
        names.add(value[at:end])
        at = end + 17
    return names
