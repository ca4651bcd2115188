"""Which image formats there are and what each can hold, as data (no codec is loaded here)."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from mattecli.errors import UsageError

__all__ = [
    "EXTENSIONS",
    "FORMATS",
    "OTHERS",
    "VIDEO_SUFFIXES",
    "Format",
    "check_quality",
    "writable_format",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One image format.

    Attributes:
        name: how it is called everywhere in the package.
        suffixes: its file names' ends, lower case with the dot; the first is the usual one.
        depths: bits a channel that can be written: 8, 16, or 32 for float. Empty: read only.
        alpha: whether a written file can hold alpha.
        icc: whether a written file can hold an ICC profile.
        quality: whether files can be written with loss, more or less of it.
    """

    name: str
    suffixes: tuple[str, ...]
    depths: frozenset[int] = frozenset()
    alpha: bool = False
    icc: bool = False
    quality: bool = False

    def held(self, depth: int) -> int:
        """Bits a channel to write pixels of ``depth`` with.

        The same if the format has them, else the next fewer, else the fewest that it has.
        """
        if depth in self.depths or not self.depths:
            return depth
        return max((own for own in self.depths if own < depth), default=min(self.depths))


_ROWS = (
    Format(name="png", suffixes=(".png",), depths=frozenset({8, 16}), alpha=True, icc=True),
    Format(
        name="tiff",
        suffixes=(".tiff", ".tif"),
        depths=frozenset({8, 16, 32}),
        alpha=True,
        icc=True,
    ),
    Format(
        name="webp",
        suffixes=(".webp",),
        depths=frozenset({8}),
        alpha=True,
        icc=True,
        quality=True,
    ),
    Format(
        name="jpeg",
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
        depths=frozenset({8}),
        icc=True,
        quality=True,
    ),
    Format(name="bmp", suffixes=(".bmp", ".dib"), depths=frozenset({8})),
    Format(name="exr", suffixes=(".exr",), depths=frozenset({32}), alpha=True),
    Format(name="gif", suffixes=(".gif",)),
    Format(name="pnm", suffixes=(".ppm", ".pgm", ".pbm", ".pnm")),
    Format(name="avif", suffixes=(".avif",)),
    Format(name="heic", suffixes=(".heic", ".heif")),
)

FORMATS = MappingProxyType({row.name: row for row in _ROWS})
"""All formats by name."""

EXTENSIONS = MappingProxyType({suffix: row for row in _ROWS for suffix in row.suffixes})
"""All formats by file name suffix, lower case with the dot."""

_VIDEO = """
.mp4 .m4v .mov .mkv .webm .avi .ts .mts .m2ts .mpg .mpeg .mxf .wmv .flv .ogv .gif .3gp .y4m .nut
.vob .dv .mjpeg .mjpg .apng
"""
VIDEO_SUFFIXES = frozenset(_VIDEO.split())
"""What counts as a video in a folder."""

_UNKNOWN = """
.jxl .jp2 .j2k .jpf .jpx .jxr .psd .psb .xcf .kra .svg .pdf .eps .ico .icns .tga .dds .qoi .pam .pfm
.hdr .dng .cr2 .cr3 .nef .arw .raf .orf .rw2
"""
OTHERS = VIDEO_SUFFIXES.union(_UNKNOWN.split()) - EXTENSIONS.keys()
"""Suffixes of pictures and videos that are no format of ours: hardly part of a folder's name."""


def writable_format(name: str) -> Format:
    """The format that ``name`` means: a name or a suffix, with or without its dot, in any case.

    Raises:
        UsageError: there is no such format, or it can only be read.
    """
    plain = name.lower().removeprefix(".")
    row = FORMATS.get(plain) or EXTENSIONS.get(f".{plain}")
    if row is None or not row.depths:
        known = ", ".join(row.suffixes[0] for row in _ROWS if row.depths)
        raise UsageError(f"images cannot be written as {name!r}", remedy=f"choose one of: {known}")
    return row


def check_quality(row: Format, quality: int | None) -> None:
    """Refuse a quality that is none, or that the format does not have.

    Raises:
        UsageError: it is out of range, or files of this format are without loss.
    """
    if quality is None:
        return
    if not 1 <= quality <= 100:
        raise UsageError(f"a quality of {quality} makes no sense", remedy="give 1 to 100")
    if not row.quality:
        lossy = " or ".join(own.suffixes[0].removeprefix(".") for own in _ROWS if own.quality)
        raise UsageError(
            f"{row.name} is written without loss and has no --quality",
            remedy=f"use --format {lossy}, or leave it out",
        )
