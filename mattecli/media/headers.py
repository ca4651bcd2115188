"""Reading an image's header: the format by content, then what that format's container says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import MappingProxyType

from mattecli.errors import ImageReadError
from mattecli.media import isolation, pillow_codecs
from mattecli.media.containers import exr, jpeg, png, pnm, tiff, webp
from mattecli.media.containers.header import Header, damaged, unsupported

__all__ = ["SNIFFED_BYTES", "is_followed", "read_header", "sniff"]

SNIFFED_BYTES = 200
"""As many leading bytes tell the format."""

_READERS: MappingProxyType[str, Callable[[bytes], Header]] = MappingProxyType(
    {
        "jpeg": jpeg.read_header,
        "png": png.read_header,
        "webp": webp.read_header,
        "tiff": tiff.read_header,
        "exr": exr.read_header,
        "bmp": partial(pillow_codecs.read_header, "bmp"),
        "gif": partial(pillow_codecs.read_header, "gif"),
        "pnm": pnm.read_header,
    }
)
_ENDS: MappingProxyType[str, Callable[[bytes], int]] = MappingProxyType(
    {"jpeg": jpeg.end_of, "png": png.end_of}
)
_SIGNATURES = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"II+\0", "tiff"),
    (b"MM\0+", "tiff"),
    (b"\x76\x2f\x31\x01", "exr"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"BM", "bmp"),
)
_PNM_KINDS = (b"1", b"2", b"3", b"4", b"5", b"6")
_FOREIGN = (
    (b"#?RADIANCE", "a Radiance HDR image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"8BPS", "a Photoshop document"),
    (b"%PDF", "a PDF document"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "an XML or SVG file"),
)
_VIDEO = (
    b"\x1a\x45\xdf\xa3",  # Matroska and WebM
    b"FLV\x01",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",  # Windows Media
    b"OggS",
    b"\0\0\x01\xba",  # MPEG
    b"\0\0\x01\xb3",
    b"\x06\x0e\x2b\x34",  # MXF
    b"YUV4MPEG2 ",
    b"nut/multimedia container\0",
)
_QUICKTIME = frozenset((b"moov", b"mdat", b"wide", b"skip", b"free", b"pnot"))
_HEIC_BRANDS = frozenset((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"))


def sniff(head: bytes) -> str:
    """The name of the format that a file's first bytes are of.

    Raises:
        ImageReadError: it is empty, no image, or one of a format that is not read.
    """
    if not head:
        raise ImageReadError("the file is empty (0 bytes)", remedy="copy or download it again")
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:1] == b"P" and head[1:2] in _PNM_KINDS and head[2:3].isspace():
        return "pnm"
    if head[4:8] == b"ftyp":
        return _sniff_boxes(head)
    for signature, what in _FOREIGN:
        if head.startswith(signature):
            raise unsupported(what)
    if _is_video(head):
        raise _a_video()
    raise ImageReadError("this is not an image", remedy="give a PNG, JPEG, TIFF, WebP or BMP file")


def _sniff_boxes(head: bytes) -> str:
    """Tell AVIF and HEIC from other files made of boxes (ISO/IEC 14496-12), by their brands."""
    end = min(len(head), int.from_bytes(head[:4], "big"))
    brands = {head[8:12]} | {head[at : at + 4] for at in range(16, end - 3, 4)}
    if b"avif" in brands:
        return "avif"
    if brands & _HEIC_BRANDS:
        return "heic"
    raise _a_video()


def _is_video(head: bytes) -> bool:
    if head.startswith(_VIDEO) or head[4:8] in _QUICKTIME:
        return True
    # A transport stream's packets of 188 bytes, on discs with 4 more before each.
    packets = (head[0:1] + head[188:189], head[4:5] + head[196:197])
    return (head[:4] == b"RIFF" and head[8:12] == b"AVI ") or b"GG" in packets


def _a_video() -> ImageReadError:
    return unsupported(
        "a video or audio file", remedy="give an image here; 'mattecli video' takes videos"
    )


def is_followed(data: bytes) -> bool:
    """Whether another picture begins right behind the end of a JPEG or PNG file."""
    try:
        name = sniff(data[:SNIFFED_BYTES])
        end = _ENDS[name](data) if name in _ENDS else len(data)
        sniff(data[end : end + SNIFFED_BYTES])
    except ImageReadError:
        return False
    return True


def read_header(
    data: bytes, *, apart: Callable[[str, bytes], Header] = isolation.read_header_apart
) -> Header:
    """The header of an image file, whatever its name.

    Args:
        data: the file.
        apart: reads the header of a file of a format whose decoder has to be asked for it (AVIF,
            HEIC), from the format's name and the file.

    Raises:
        ImageReadError: it is no image, damaged, or of a kind that is not read.
    """
    name = sniff(data[:SNIFFED_BYTES])
    header = _READERS[name](data) if name in _READERS else apart(name, data)
    if min(header.stored) < 1:
        raise damaged(f"its header claims {header.stored} pixels")
    return header
