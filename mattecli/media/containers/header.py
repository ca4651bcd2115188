"""What a file's header says, and the ways in which a header can fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mattecli.errors import ImageReadError
from mattecli.records import Resolution, Size

__all__ = ["Header", "Mode", "damaged", "truncated", "unsupported"]

Mode = Literal["grey", "grey+alpha", "rgb", "rgba", "cmyk", "palette"]
"""How a file stores its colours. A palette may have transparent entries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What is known of an image before a pixel is decoded.

    Attributes:
        format: a name of ``media.formats.FORMATS``.
        stored: size of the pixel grid in the file, before the orientation is applied.
        mode: how colours are stored.
        bit_depth: bits a channel; 32 or 64 where ``is_float``.
        is_float: channels are floats.
        orientation: EXIF orientation, 1..8 (1 where there is none or it makes no sense).
        icc: the embedded ICC profile, unchanged; or one made of what the file says otherwise of
            colours that are not sRGB.
        stored_resolution: of the pixel grid in the file.
        frames: pictures in the file; the first one is read.
    """

    format: str
    stored: Size
    mode: Mode
    bit_depth: int = 8
    is_float: bool = False
    orientation: int = 1
    icc: bytes | None = None
    stored_resolution: Resolution | None = None
    frames: int = 1

    @property
    def size(self) -> Size:
        """The picture's size when it is upright."""
        return Size(self.stored.height, self.stored.width) if self._is_turned else self.stored

    @property
    def resolution(self) -> Resolution | None:
        """The picture's resolution when it is upright."""
        stored = self.stored_resolution
        return Resolution(stored.down, stored.across) if stored and self._is_turned else stored

    @property
    def _is_turned(self) -> bool:
        return self.orientation >= 5


def truncated() -> ImageReadError:
    """The file ends before the picture does."""
    return ImageReadError(
        "the file is truncated, its end is missing", remedy="copy or download it again"
    )


def damaged(detail: str) -> ImageReadError:
    """The file contradicts its format."""
    return ImageReadError(f"the file is damaged: {detail}", remedy="copy or export it again")


def unsupported(what: str, remedy: str = "convert it to PNG, TIFF or JPEG") -> ImageReadError:
    """A sound file of a kind that is not read."""
    return ImageReadError(f"{what} cannot be read", remedy=remedy)
