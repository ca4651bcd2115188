"""A quick check whether an output of an earlier run is still whole."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Literal

from mattecli.errors import ImageReadError
from mattecli.media.headers import SNIFFED_BYTES, sniff
from mattecli.media.paths import is_ordinary_file
from mattecli.media.stores.path import StorePath

__all__ = ["is_sound", "is_sound_image"]

_TAIL = 12
_ENDS = {"png": b"\0\0\0\0IEND\xae\x42\x60\x82", "jpeg": b"\xff\xd9"}
"""What files of a format that we write end with."""


def is_sound(path: Path) -> bool:
    """Whether a file is not empty; what is no ordinary file passes."""
    if isinstance(path, StorePath):
        return path.stat().st_size > 0
    return not is_ordinary_file(path) or path.stat().st_size > 0


def is_sound_image(path: Path) -> bool:
    """Whether it begins as an image and is not cut off, as far as its two ends tell.

    A picture that somebody changed since is as sound as ours; objects in a store are not read.
    """
    if isinstance(path, StorePath) or not is_ordinary_file(path):
        return is_sound(path)
    try:
        with path.open("rb") as stream:
            head = stream.read(SNIFFED_BYTES)
            name = sniff(head)
            size = stream.seek(0, os.SEEK_END)
            stream.seek(max(0, size - _TAIL))
            tail = stream.read()
    except ImageReadError:
        return False
    except OSError:
        return True  # nothing is known against it
    if name == "webp":
        return size >= 8 + int.from_bytes(head[4:8], "little")
    if name == "tiff" and head[2:4] in (b"*\0", b"\0*"):  # its directory follows the pixels
        order: Literal["little", "big"] = "little" if head[:2] == b"II" else "big"
        return int.from_bytes(head[4:8], order) < size - _TAIL
    end = _ENDS.get(name, b"")
    return tail.endswith(end) or _holds(path, end)


def _holds(path: Path, end: bytes) -> bool:
    """Whether the mark of a picture's end lies anywhere in a file: programs may append to it."""
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as m:
            return m.find(end) >= 0
    except (OSError, ValueError):
        return True  # nothing is known against it
