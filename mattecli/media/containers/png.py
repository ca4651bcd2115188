"""The chunks of a PNG file (W3C PNG Specification, third edition, sections 5, 10 and 11)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from mattecli.media.containers.header import Header, Mode, damaged, truncated
from mattecli.media.containers.tiff_tags import exif_orientation
from mattecli.records import Size

__all__ = ["pixels_only", "read_header", "transparent_grey", "with_icc"]

_MODES: dict[int, Mode] = {0: "grey", 2: "rgb", 3: "palette", 4: "grey+alpha", 6: "rgba"}
_DEPTHS = (1, 2, 4, 8, 16)
_NEEDED = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_SIGNATURE_BYTES = 8
_HEADER_END = _SIGNATURE_BYTES + 12 + 13  # IHDR is always first and 13 bytes long
_MAX_PROFILE_BYTES = 1 << 25


@dataclass(frozen=True, slots=True)
class _Chunk:
    name: bytes
    start: int
    body: memoryview

    @property
    def end(self) -> int:
        return self.start + 12 + len(self.body)


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """All chunks up to and with IEND; what follows it is of no interest."""
    view = memoryview(data)
    at = _SIGNATURE_BYTES
    while at + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        chunk = _Chunk(name, at, view[at + 8 : at + 8 + length])
        if chunk.end > len(data) or len(chunk.body) < length:
            break
        yield chunk
        if name == b"IEND":
            return
        at = chunk.end
    raise truncated()


def read_header(data: bytes) -> Header:
    """The header of the file.

    Raises:
        ImageReadError: the file is cut off, or its header makes no sense.
    """
    found: dict[bytes, memoryview] = {}
    for chunk in _chunks(data):
        found.setdefault(chunk.name, chunk.body)
    head = found.get(b"IHDR", memoryview(b""))
    if len(head) != 13 or b"IDAT" not in found:
        raise damaged("its PNG header or pixels are missing")
    width, height, depth, kind = struct.unpack_from(">IIBB", head)
    if kind not in _MODES or depth not in _DEPTHS:
        raise damaged(f"there are no PNG files of colour type {kind} and {depth} bits")
    mode = _MODES[kind]
    if b"tRNS" in found:
        keyed: dict[Mode, Mode] = {"grey": "grey+alpha", "rgb": "rgba"}
        mode = keyed.get(mode, mode)
    animation = found.get(b"acTL", memoryview(b""))
    return Header(
        format="png",
        stored=Size(width, height),
        mode=mode,
        bit_depth=8 if mode == "palette" else depth,
        orientation=exif_orientation(bytes(found.get(b"eXIf", b""))),
        icc=_profile(bytes(found.get(b"iCCP", b""))),
        frames=max(1, struct.unpack_from(">I", animation)[0]) if len(animation) >= 4 else 1,
    )


def _profile(chunk: bytes) -> bytes | None:
    """The profile of an iCCP chunk: a name, a zero, the method 0, deflated bytes."""
    _, zero, rest = chunk.partition(b"\0")
    if not zero or not rest.startswith(b"\0"):
        return None
    inflate = zlib.decompressobj()
    try:
        profile = inflate.decompress(rest[1:], _MAX_PROFILE_BYTES)
    except zlib.error:
        return None
    return profile if inflate.eof else None


def pixels_only(data: bytes) -> bytes:
    """The file with only those chunks that pixels need, after their checksums were verified.

    libpng writes warnings about other chunks (an odd sRGB profile is common) straight to standard
    error, and some decoders obey orientation or gamma chunks: neither can happen without them.

    Raises:
        ImageReadError: the file is cut off, or a checksum is wrong.
    """
    view = memoryview(data)
    kept = [view[:_SIGNATURE_BYTES]]
    for chunk in _chunks(data):
        if chunk.name in _NEEDED:
            whole = view[chunk.start : chunk.end]
            if zlib.crc32(whole[4:-4]) != int.from_bytes(whole[-4:], "big"):
                raise damaged(f"the checksum of its {chunk.name.decode()} chunk is wrong")
            kept.append(whole)
    return b"".join(kept)


def transparent_grey(data: bytes) -> int | None:
    """The grey value, in stored bits, that a grey PNG declares transparent; None without one."""
    for chunk in _chunks(data):
        if chunk.name == b"tRNS" and len(chunk.body) == 2:
            return int.from_bytes(chunk.body, "big")
    return None


def with_icc(data: bytes, icc: bytes) -> bytes:
    """A PNG file with an ICC profile put in."""
    body = b"iCCPICC profile\0\0" + zlib.compress(icc)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    return b"".join((data[:_HEADER_END], chunk, memoryview(data)[_HEADER_END:]))
