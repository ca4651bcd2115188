"""PyTorch's container since 1.6: a zip archive of uncompressed entries (TorchScript's, too)."""

from __future__ import annotations

import io
import mmap
import re
import struct
import sys
import zipfile
import zlib
from collections.abc import Sequence
from itertools import islice
from typing import IO, cast

from mattecli.errors import CheckpointError
from mattecli.models.formats.container import Container, checked_span
from mattecli.models.formats.names import shown_name
from mattecli.models.formats.unpickle import Unpickler

__all__ = ["read_zip"]

_LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, lengths of name and extra field
_MOST_ENTRIES = 20_000


def read_zip(data: mmap.mmap) -> Container:
    """The pickled object and the places of its storages.

    Entries are looked up in the central directory and read straight from ``data``, so nothing is
    ever inflated: what is compressed is refused.

    Raises:
        CheckpointError: cut short, damaged, compressed, or not PyTorch's.
    """
    entries = _directory(data)
    pickles = [name for name in entries if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise CheckpointError("is a zip archive, but none that PyTorch wrote")
    folder = pickles[0].removesuffix("data.pkl")
    order = entries.get(f"{folder}byteorder")
    if order is not None and _bytes(data, order).decode("ascii", "replace") != sys.byteorder:
        raise CheckpointError("written by a machine with another byte order")
    unpickler = Unpickler()
    root = unpickler.read(io.BytesIO(_bytes(data, entries[pickles[0]])))
    spans, used = {}, [entries[pickles[0]]]
    for key, storage in unpickler.storages.items():
        entry = entries.get(f"{folder}data/{key}")
        if entry is None:
            raise CheckpointError(f"damaged: storage {shown_name(key)} is missing")
        place = _place(data, entry)
        spans[key] = checked_span(storage, place.start, place.stop)
        used.append(entry)
    _check_sums(data, used)
    scripted = any(name.startswith(f"{folder}code/") for name in entries)
    return Container("torchscript" if scripted else "pytorch", root, spans)


def _directory(data: mmap.mmap) -> dict[str, zipfile.ZipInfo]:
    # Counted before they are listed; the archive's own count of them may lie.
    signatures = re.finditer(rb"PK\x01\x02", data)
    if next(islice(signatures, _MOST_ENTRIES, None), None) is not None:
        raise CheckpointError("damaged: its directory has far too many entries")
    try:
        with zipfile.ZipFile(cast(IO[bytes], data)) as archive:
            listed = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, struct.error) as error:
        raise CheckpointError(f"cut short or damaged ({shown_name(error)})") from error
    entries = {entry.filename: entry for entry in listed}
    if len(entries) != len(listed):
        raise CheckpointError("damaged: its directory has repeated entries")
    return entries


def _place(data: mmap.mmap, entry: zipfile.ZipInfo) -> range:
    """Where an entry's bytes lie."""
    name = shown_name(entry.filename)
    if entry.compress_type != zipfile.ZIP_STORED or entry.flag_bits & 1:
        raise CheckpointError(
            f"entry {name} is compressed or encrypted, which PyTorch never writes; refused"
        )
    if not 0 <= entry.header_offset <= len(data) - _LOCAL_HEADER.size:
        raise CheckpointError(f"cut short or damaged: entry {name} lies outside the file")
    signature, *lengths = _LOCAL_HEADER.unpack_from(data, entry.header_offset)
    start = entry.header_offset + _LOCAL_HEADER.size + sum(lengths)
    if signature != b"PK\x03\x04" or start + entry.file_size > len(data):
        raise CheckpointError(f"cut short or damaged: entry {name} lies outside the file")
    return range(start, start + entry.file_size)


def _check_sums(data: mmap.mmap, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse entries whose bytes have changed since they were written.

    PyTorch can be told to write no check sums: then all are wrong, and nothing is refused.
    """
    wrong = [entry for entry in entries if _sum(data, entry) != entry.CRC]
    if wrong and len(wrong) < len(entries):
        name = shown_name(wrong[0].filename)
        raise CheckpointError(
            f"damaged: entry {name} has another check sum than when it was written",
            remedy="get the file again",
        )


def _sum(data: mmap.mmap, entry: zipfile.ZipInfo) -> int:
    place = _place(data, entry)
    with memoryview(data) as whole, whole[place.start : place.stop] as part:
        return zlib.crc32(part)


def _bytes(data: mmap.mmap, entry: zipfile.ZipInfo) -> bytes:
    place = _place(data, entry)
    return data[place.start : place.stop]
