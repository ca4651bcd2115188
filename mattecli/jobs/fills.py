"""What stands behind a cut-out: a colour, a picture, or the blurred photo."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np

from mattecli.errors import UsageError
from mattecli.media.images import read_picture
from mattecli.media.paths import is_ordinary_file
from mattecli.media.stores.place import as_path
from mattecli.ops.colours import parse_colour
from mattecli.ops.composite import blurred, fit_background
from mattecli.ops.pixels import as_type
from mattecli.records import Array, Size
from mattecli.settings.common import DEFAULT_MAX_PIXELS
from mattecli.settings.composite import Fit

__all__ = ["BlurFill", "ColourFill", "Fill", "PictureFill", "parse_fill"]


class Fill(ABC):
    """Makes a background for a photo."""

    @abstractmethod
    def picture(self, color: Array, alpha: Array, size: Size) -> Array:
        """The background.

        Args:
            color: the photo, H,W,3.
            alpha: where the subject is in the photo, H,W, before its edge was changed.
            size: the size that is wanted.

        Returns:
            H,W,3 of the photo's type.
        """


@dataclass(frozen=True, slots=True)
class ColourFill(Fill):
    """One colour, RGB 0..1."""

    colour: tuple[float, float, float]

    def picture(self, color: Array, alpha: Array, size: Size) -> Array:
        """The colour everywhere."""
        pixel = as_type(np.asarray(self.colour, np.float32)[None, None], color.dtype)
        return np.broadcast_to(pixel, (size.height, size.width, 3))


@dataclass(frozen=True, slots=True)
class PictureFill(Fill):
    """A picture, fitted to the photo."""

    image: Array
    fit: Fit = "cover"

    def picture(self, color: Array, alpha: Array, size: Size) -> Array:
        """The picture at the photo's size."""
        return as_type(fit_background(self.image, size, self.fit), color.dtype)


@dataclass(frozen=True, slots=True)
class BlurFill(Fill):
    """The photo's own background, blurred; the subject leaves no ghost in it."""

    def picture(self, color: Array, alpha: Array, size: Size) -> Array:
        """The blurred background."""
        return blurred(color, alpha)


def parse_fill(text: str, fit: Fit = "cover", max_pixels: int = DEFAULT_MAX_PIXELS) -> Fill:
    """A fill out of what the user wrote: ``blur``, a picture's path, or a colour.

    Args:
        text: as written.
        fit: how a picture fills the frame.
        max_pixels: the largest picture that is read.

    Raises:
        UsageError: it is none of them.
        ImageReadError: the picture cannot be read.
    """
    if text == "blur":
        return BlurFill()
    path = as_path(text)
    if is_ordinary_file(path):
        return PictureFill(read_picture(path, max_pixels=max_pixels).color, fit)
    try:
        return ColourFill(parse_colour(text))
    except UsageError as error:
        raise UsageError(
            f"{text!r} is neither a colour nor a picture that is there",
            remedy="try white, '#00ff00', 0,177,64, a file's path, or blur",
        ) from error
