"""The chunks of a PNG file (W3C PNG Specification, third edition, sections 5, 10 and 11)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mattecli.media.containers.exif import Exif, read_exif
from mattecli.media.containers.header import Header, Mode, damaged, truncated
from mattecli.media.containers.profiles import SRGB, Primaries, matrix_profile
from mattecli.records import Resolution, Size

__all__ = ["METRE", "METRES_IN_INCH", "end_of", "pixels_only", "read_header", "transparent_grey"]

_MODES: dict[int, Mode] = {0: "grey", 2: "rgb", 3: "palette", 4: "grey+alpha", 6: "rgba"}
_DEPTHS = (1, 2, 4, 8, 16)
_NEEDED = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_SIGNATURE_BYTES = 8
_HEADER_END = _SIGNATURE_BYTES + 12 + 13  # IHDR is always first and 13 bytes long
_MAX_PROFILE_BYTES = 1 << 25
METRES_IN_INCH = 0.0254
METRE = 1
_SRGB_GAMMA = 2.2  # by which the curve of sRGB is told to programs that know only powers
_ALIKE = 0.02  # of a curve's power
_SAME_COLOUR = 0.005  # of a chromaticity


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
    told = read_exif(bytes(found.get(b"eXIf", b"")))
    animation = found.get(b"acTL", memoryview(b""))
    return Header(
        format="png",
        stored=Size(width, height),
        mode=mode,
        bit_depth=8 if mode == "palette" else depth,
        orientation=told.orientation,
        icc=_profile(bytes(found.get(b"iCCP", b""))) or _told_profile(found, told),
        stored_resolution=_resolution(found.get(b"pHYs", memoryview(b""))) or told.resolution,
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


def _told_profile(found: Mapping[bytes, memoryview], exif: Exif) -> bytes | None:
    """A profile of what the gAMA and cHRM chunks say (sections 11.3.2.1 and 11.3.2.2), else EXIF.

    None where they say what sRGB is too, or where a chunk that counts more is there (section 4.3).
    """
    if b"sRGB" in found or b"cICP" in found:
        return None
    if b"gAMA" not in found:
        return exif.icc
    gamma = found[b"gAMA"]
    if len(gamma) != 4:
        return None
    power = 100_000 / max(1, int.from_bytes(gamma, "big"))
    primaries = _primaries(found.get(b"cHRM", memoryview(b"")))
    if abs(power - _SRGB_GAMMA) < _ALIKE and _are_alike(primaries, SRGB):
        return None
    try:
        return matrix_profile("as the PNG's gAMA and cHRM", primaries, power)
    except ValueError:  # numbers that mean nothing
        return None


def _primaries(chunk: memoryview) -> Primaries:
    if len(chunk) != 32:
        return SRGB
    numbers = [number / 100_000 for number in struct.unpack(">8I", chunk)]
    return Primaries(*zip(numbers[::2], numbers[1::2], strict=True))


def _are_alike(these: Primaries, those: Primaries) -> bool:
    pairs = zip(these, those, strict=True)
    return all(abs(a - b) < _SAME_COLOUR for pair in pairs for a, b in zip(*pair, strict=True))


def _resolution(chunk: memoryview) -> Resolution | None:
    """The resolution of a pHYs chunk, which may name a mere aspect ratio (section 11.3.4.3)."""
    if len(chunk) != 9 or chunk[8] != METRE:
        return None
    across, down = struct.unpack_from(">II", chunk)
    return Resolution.sensible(across * METRES_IN_INCH, down * METRES_IN_INCH)


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


def end_of(data: bytes) -> int:
    """Where the picture ends.

    Raises:
        ImageReadError: the file is cut off.
    """
    return max(chunk.end for chunk in _chunks(data))


def transparent_grey(data: bytes) -> int | None:
    """The grey value, in stored bits, that a grey PNG declares transparent; None without one."""
    for chunk in _chunks(data):
        if chunk.name == b"tRNS" and len(chunk.body) == 2:
            return int.from_bytes(chunk.body, "big")
    return None
