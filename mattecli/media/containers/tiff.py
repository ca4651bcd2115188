"""The header of a TIFF image (TIFF Revision 6.0, sections 3 to 8, 15 and 18)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mattecli.media.containers.exif import resolution_of
from mattecli.media.containers.header import Header, Mode, damaged, truncated, unsupported
from mattecli.media.containers.tiff_tags import (
    LIST_TAGS,
    Directory,
    Tag,
    TagValues,
    count_directories,
    read_directory,
    rewritten,
    without_metadata,
)
from mattecli.records import Size

__all__ = ["ASSOCIATED_ALPHA", "UNASSOCIATED_ALPHA", "StoredPixels", "pixels_only", "read_header"]

ASSOCIATED_ALPHA, UNASSOCIATED_ALPHA = 1, 2  # TIFF 6.0, section 18
_WHITE_IS_ZERO, _BLACK_IS_ZERO = 0, 1
_RAW_COLOURS = (32803, 34892)  # colour filter array, linear raw
_COLOURS: dict[int, Literal["grey", "rgb", "palette", "cmyk"]] = {
    _WHITE_IS_ZERO: "grey",
    _BLACK_IS_ZERO: "grey",
    2: "rgb",
    3: "palette",
    5: "cmyk",
    6: "rgb",  # YCbCr, which decoders convert
}
_CHANNELS = {"grey": 1, "rgb": 3, "palette": 1, "cmyk": 4}
_DEPTHS = {1: (1, 2, 4, 8, 16), 3: (32, 64)}  # by sample format: unsigned, float
_KINDS = {1: "unsigned", 2: "signed", 3: "float"}
_SEPARATE_PLANES = 2
_MAX_TILE_PIXELS = 1 << 24  # decoders take memory for a whole tile, however small the picture


def read_header(data: bytes) -> Header:
    """The header of the file's first picture.

    Raises:
        ImageReadError: the directory is damaged, or of a kind that is not read.
    """
    directory = read_directory(data)
    _refuse_camera_raw(data, directory)
    bits = directory.numbers(Tag.BITS) or (1,)
    sample_format = directory.number(Tag.SAMPLE_FORMAT, 1)
    if len(set(bits)) > 1 or bits[0] not in _DEPTHS.get(sample_format, ()):
        kind = _KINDS.get(sample_format, "unknown")
        raise unsupported(f"a TIFF of {bits[0]}-bit {kind} values")
    mode = _mode(directory, bits[0])
    if directory.number(Tag.PLANAR) == _SEPARATE_PLANES and mode != "grey" and bits[0] > 8:
        raise unsupported(f"a {bits[0]}-bit TIFF of separate colour planes")
    profile = directory.entries.get(Tag.ICC_PROFILE)
    return Header(
        format="tiff",
        stored=Size(directory.number(Tag.WIDTH), directory.number(Tag.HEIGHT)),
        mode=mode,
        bit_depth=bits[0],
        is_float=sample_format == 3,
        orientation=directory.orientation,
        icc=profile.raw if profile else None,
        stored_resolution=resolution_of(directory),
        frames=count_directories(data),
    )


def _refuse_camera_raw(data: bytes, directory: Directory) -> None:
    """Refuse raw files: their first picture is a thumbnail that would pass for the photo."""
    is_thumbnail = directory.number(Tag.SUBFILE_TYPE) & 1
    is_raw = directory.number(Tag.PHOTOMETRIC) in _RAW_COLOURS
    if is_thumbnail or is_raw or Tag.DNG_VERSION in directory.entries or data[8:10] == b"CR":
        raise unsupported("a camera raw file", remedy="develop it to TIFF or JPEG first")


def _mode(directory: Directory, bits: int) -> Mode:
    photometric = directory.number(Tag.PHOTOMETRIC, -1)
    colours = _COLOURS.get(photometric)
    if colours is None:
        raise unsupported(f"a TIFF of colour space {photometric}")
    further = directory.number(Tag.CHANNELS, 1) - _CHANNELS[colours]
    if further == 0 and (bits <= 8 or colours != "palette"):
        return colours
    if further == 1 and colours == "rgb":
        return "rgba"
    if further == 1 and colours == "grey" and bits == 8:
        return "grey+alpha"
    raise unsupported(f"a {bits}-bit {colours} TIFF with {further} further channels")


@dataclass(frozen=True, slots=True)
class StoredPixels:
    """A TIFF file whose decoding gives the stored values, and what those mean.

    Attributes:
        data: a file of one directory with only the tags that pixels need. Black is 0 and a
            further channel is unassociated alpha, whatever they were, so that all decoders hand
            out the same.
        white_is_zero: the values are to be inverted.
        premultiplied: the colours are associated with (multiplied by) alpha.
    """

    data: bytes
    white_is_zero: bool
    premultiplied: bool


def pixels_only(data: bytes) -> StoredPixels:
    """The file without metadata, once all its pixels have been found.

    Raises:
        ImageReadError: pixels are missing; decoders would leave them grey or black.
    """
    directory = without_metadata(read_directory(data))
    _check_complete(data, directory)
    changes: dict[int, TagValues] = {}
    white_is_zero = directory.number(Tag.PHOTOMETRIC, -1) == _WHITE_IS_ZERO
    if white_is_zero:
        changes[Tag.PHOTOMETRIC] = directory.shorts(_BLACK_IS_ZERO)
    if _mode(directory, directory.number(Tag.BITS, 1)) in ("rgba", "grey+alpha"):
        changes[Tag.EXTRA_SAMPLES] = directory.shorts(UNASSOCIATED_ALPHA)
    try:
        plain = rewritten(data, directory, changes)
    except OverflowError:
        raise unsupported("a TIFF of 4 GiB", remedy="save it as BigTIFF") from None
    return StoredPixels(
        data=plain,
        white_is_zero=white_is_zero,
        premultiplied=directory.number(Tag.EXTRA_SAMPLES) == ASSOCIATED_ALPHA,
    )


def _check_complete(data: bytes, directory: Directory) -> None:
    if any(entry.count > 1 for tag, entry in directory.entries.items() if tag not in LIST_TAGS):
        raise damaged("its TIFF directory contradicts itself")
    offsets = directory.numbers(Tag.TILE_OFFSETS) or directory.numbers(Tag.STRIP_OFFSETS)
    sizes = directory.numbers(Tag.TILE_SIZES) or directory.numbers(Tag.STRIP_SIZES)
    if not offsets or len(offsets) != len(sizes) or len(offsets) < _parts(directory):
        raise damaged("some of its pixels are not listed")
    tile = directory.number(Tag.TILE_WIDTH) * directory.number(Tag.TILE_HEIGHT)
    if tile > max(_MAX_TILE_PIXELS, directory.number(Tag.WIDTH) * directory.number(Tag.HEIGHT)):
        raise damaged("its tiles are larger than the picture")
    if any(start + size > len(data) for start, size in zip(offsets, sizes, strict=True)):
        raise truncated()


def _parts(directory: Directory) -> int:
    """How many strips or tiles the picture has."""
    width, height = directory.number(Tag.WIDTH), directory.number(Tag.HEIGHT)
    planes = 1
    if directory.number(Tag.PLANAR) == _SEPARATE_PLANES:
        planes = directory.number(Tag.CHANNELS, 1)
    if Tag.TILE_OFFSETS in directory.entries:
        across = -(-width // max(1, directory.number(Tag.TILE_WIDTH)))
        down = -(-height // max(1, directory.number(Tag.TILE_HEIGHT)))
        return across * down * planes
    rows = max(1, directory.number(Tag.ROWS_PER_STRIP, height))
    return -(-height // rows) * planes
