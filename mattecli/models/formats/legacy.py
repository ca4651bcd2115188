"""PyTorch's container before 1.6: five pickles in a row, then the storages' bytes."""

from __future__ import annotations

import mmap
import struct
from typing import IO, cast

from mattecli.errors import CheckpointError
from mattecli.models.formats.container import Container, checked_span
from mattecli.models.formats.names import RefusedNameError, shown_name
from mattecli.models.formats.unpickle import Unpickler

__all__ = ["read_legacy"]

_MAGIC = 0x1950A86A20F9469CFC6C
_UNKNOWN = "is no weights file: neither safetensors nor one of PyTorch's formats"
_LENGTH = struct.Struct("<q")


def read_legacy(data: mmap.mmap) -> Container:
    """The pickled object and the places of its storages.

    The stream holds a magic number, a protocol number, facts about the machine, the object, and
    the list of storage keys; then for each key its length in elements and its elements.

    Raises:
        CheckpointError: cut short, damaged, or no such stream.
    """
    stream = cast(
        IO[bytes], data
    )  # has read, readline and tell, and never allocates what is not there
    data.seek(0)
    unpickler = Unpickler()
    if _first(unpickler, stream) != _MAGIC:
        raise CheckpointError(_UNKNOWN)
    unpickler.read(stream)  # the protocol number never changed
    match unpickler.read(stream):
        case {"little_endian": True}:
            pass
        case _:
            raise CheckpointError("written by a machine with another byte order")
    root = unpickler.read(stream)
    return Container("pytorch-legacy", root, _spans(data, unpickler, unpickler.read(stream)))


def _first(unpickler: Unpickler, stream: IO[bytes]) -> object:
    """The first pickle's object. Most files come here because they are no pickles at all."""
    try:
        return unpickler.read(stream)
    except RefusedNameError:
        raise
    except CheckpointError as error:
        raise CheckpointError(_UNKNOWN) from error


def _spans(data: mmap.mmap, unpickler: Unpickler, keys: object) -> dict[str, range]:
    """The places of the storages, which follow each other from the stream's position on."""
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise CheckpointError("damaged: its list of storages makes no sense")
    position = data.tell()
    spans: dict[str, range] = {}
    for key in keys:
        storage = unpickler.storages.get(key)
        if storage is None or key in spans:
            raise CheckpointError(f"damaged: storage {shown_name(key)} is not used or repeated")
        if position + _LENGTH.size > len(data):
            raise CheckpointError("cut short: its last storages are missing")
        (length,) = _LENGTH.unpack_from(data, position)
        if length != storage.length:
            raise CheckpointError(
                f"damaged: storage {shown_name(key)} claims {length:,} elements "
                f"in one place and {storage.length:,} in another"
            )
        position += _LENGTH.size
        spans[key] = checked_span(storage, position, len(data))
        position = spans[key].stop
    missing = unpickler.storages.keys() - spans.keys()
    if missing:
        raise CheckpointError(f"damaged: {len(missing)} of its storages are missing")
    return spans
