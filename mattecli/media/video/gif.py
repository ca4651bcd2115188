"""What viewers do with a GIF's frame before they show the next one."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from mattecli.errors import VideoWriteError

__all__ = ["restore_background"]

_HEADER, _HAS_TABLE = 13, 0x80
_EXTENSION, _IMAGE, _TRAILER = 0x21, 0x2C, 0x3B
_GRAPHIC_CONTROL = 0xF9
_IS_TRANSPARENT, _DISPOSAL, _TO_BACKGROUND = 0b1, 0b11100, 2 << 2


def restore_background(path: Path) -> None:
    """Have every frame of a GIF cleared before the next (GIF89a, section 23, disposal 2), in place.

    ffmpeg leaves a frame that is opaque all over where it is, and so its pixels show through those
    of the frames that follow. Such a frame gets the others' transparent colour, too, since some
    viewers would otherwise clear to a colour. The frames must be whole, not differences, and of one
    palette that keeps an entry for transparency.

    Raises:
        VideoWriteError: it is no GIF.
    """
    with path.open("r+b") as file:
        places = _controls(file, path)
        controls = [_at(file, place) for place in places]
        transparent = [control[3] for control in controls if control[0] & _IS_TRANSPARENT]
        if not transparent:
            return
        for place, control in zip(places, controls, strict=True):
            flags = control[0] & ~_DISPOSAL | _TO_BACKGROUND | _IS_TRANSPARENT
            file.seek(place)
            file.write(bytes([flags, *control[1:3], transparent[0]]))


def _controls(file: BinaryIO, path: Path) -> list[int]:
    """Where the frames' flags lie; a frame's time (two bytes) and transparent colour follow."""
    places = []
    header = _read(file, _HEADER)
    _skip_table(file, header[10])
    while (kind := _read(file, 1)[0]) != _TRAILER:
        if kind == _EXTENSION:
            if _read(file, 1)[0] == _GRAPHIC_CONTROL:
                places.append(file.tell() + 1)  # after its length
        elif kind == _IMAGE:
            _skip_table(file, _read(file, 9)[8])
            _read(file, 1)  # the least code size
        else:
            raise VideoWriteError("the GIF that was made makes no sense", path=path)
        _skip_blocks(file)
    return places


def _at(file: BinaryIO, place: int) -> bytes:
    file.seek(place)
    return _read(file, 4)


def _skip_table(file: BinaryIO, flags: int) -> None:
    if flags & _HAS_TABLE:
        _read(file, 3 * 2 ** ((flags & 0b111) + 1))


def _skip_blocks(file: BinaryIO) -> None:
    while length := _read(file, 1)[0]:
        _read(file, length)


def _read(file: BinaryIO, count: int) -> bytes:
    data = file.read(count)
    if len(data) < count:
        raise VideoWriteError("the GIF that was made is cut off")
    return data
