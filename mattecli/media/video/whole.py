"""Whether a finished video is still whole: its outermost structure ends where the file does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from mattecli.media.paths import is_ordinary_file
from mattecli.media.soundness import is_sound, is_sound_image
from mattecli.media.stores.path import StorePath

__all__ = ["is_whole_video"]

_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
_UNKNOWN = (1 << 56) - 1  # a segment whose length was never written: its writer was stopped


def is_whole_video(path: Path) -> bool:
    """Whether a file is as long as its container says, and begins as one.

    What lies inside is not read; objects in a store are asked for their size alone.
    """
    if isinstance(path, StorePath) or not is_ordinary_file(path):
        return is_sound(path)
    judge = _JUDGES.get(path.suffix.lower())
    if judge is None:
        return is_sound_image(path)
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            return judge(stream, size)
    except OSError:
        return True  # nothing is known against it


def _boxes(stream: BinaryIO, size: int) -> bool:
    """ISO/IEC 14496-12: boxes side by side, the movie's among them."""
    at, kinds = 0, []
    while at < size:
        stream.seek(at)
        head = stream.read(16)
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length < 8:
            return False
        kinds.append(kind)
        at += length
    return at == size and kinds[:1] == [b"ftyp"] and b"moov" in kinds


def _matroska(stream: BinaryIO, size: int) -> bool:
    """RFC 9559: an EBML header, and a segment that ends with the file."""
    if stream.read(4) != _EBML:
        return False
    stream.seek(_length(stream), os.SEEK_CUR)
    if stream.read(4) != _SEGMENT:
        return False
    length = _length(stream)
    return length != _UNKNOWN and stream.tell() + length == size


def _length(stream: BinaryIO) -> int:
    """A number of RFC 8794, section 4: its first byte's leading zeros say how many follow."""
    first = stream.read(1)[:1] or b"\0"
    more = 8 - first[0].bit_length()
    if more > 7:
        return _UNKNOWN
    return int.from_bytes(bytes([first[0] & (0x7F >> more)]) + stream.read(more), "big")


def _gif(stream: BinaryIO, size: int) -> bool:
    stream.seek(max(0, size - 1))
    end = stream.read(1)
    stream.seek(0)
    return stream.read(4) == b"GIF8" and end == b";"


_JUDGES: MappingProxyType[str, Callable[[BinaryIO, int], bool]] = MappingProxyType(
    {
        ".mov": _boxes,
        ".mp4": _boxes,
        ".mkv": _matroska,
        ".webm": _matroska,
        ".gif": _gif,
    }
)
