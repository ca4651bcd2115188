"""What an EXIF block says of a picture (Exif 2.32, sections 4.6.4 to 4.6.7; DCF 2.0, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

from mattecli.errors import ImageReadError
from mattecli.media.containers.profiles import ADOBE_RGB, ADOBE_RGB_GAMMA, matrix_profile
from mattecli.media.containers.tiff_tags import Directory, Tag, read_directory
from mattecli.records import Resolution

__all__ = ["Exif", "read_exif", "resolution_of"]

_CM_IN_INCH = 2.54
_INCH, _CM = 2, 3
_ADOBE_RGB = b"R03"
_SRGB = 1  # of ColorSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class Exif:
    """What counts of a block; the defaults where it says nothing, or what makes no sense.

    Attributes:
        orientation: 1..8.
        resolution: across and down the stored pixel grid.
        is_adobe_rgb: the colours are Adobe RGB (1998), which cameras tell in this way alone.
    """

    orientation: int = 1
    resolution: Resolution | None = None
    is_adobe_rgb: bool = False

    @property
    def icc(self) -> bytes | None:
        """A profile of the colours, where they are told to be other than sRGB."""
        if not self.is_adobe_rgb:
            return None
        return matrix_profile("Adobe RGB (1998) compatible", ADOBE_RGB, ADOBE_RGB_GAMMA)


def read_exif(block: bytes) -> Exif:
    """What a block says.

    Args:
        block: with or without its leading ``Exif`` marker; empty for none.
    """
    data = block.removeprefix(b"Exif\0\0")
    try:
        directory = read_directory(data)
    except ImageReadError:
        return Exif()
    return Exif(
        orientation=directory.orientation,
        resolution=resolution_of(directory),
        is_adobe_rgb=_colour_space(data, directory) == _ADOBE_RGB,
    )


def resolution_of(directory: Directory) -> Resolution | None:
    """The resolution that a directory's tags name, in pixels per inch."""
    factor = {_INCH: 1.0, _CM: _CM_IN_INCH}.get(directory.number(Tag.RESOLUTION_UNIT, _INCH))
    if factor is None:
        return None
    across, down = directory.ratio(Tag.X_RESOLUTION), directory.ratio(Tag.Y_RESOLUTION)
    return Resolution.sensible(factor * across, factor * down)


def _colour_space(data: bytes, directory: Directory) -> bytes:
    """The interoperability index, two directories down: R98 for sRGB, R03 for Adobe RGB."""
    for link in (Tag.EXIF_DIRECTORY, Tag.INTEROPERABILITY_DIRECTORY):
        at = directory.number(link)
        if not at or directory.number(Tag.COLOUR_SPACE) == _SRGB:
            return b""
        try:
            directory = read_directory(data, at)
        except ImageReadError:
            return b""
    index = directory.entries.get(Tag.INTEROPERABILITY_INDEX)
    return b"" if index is None else index.raw[:3]
