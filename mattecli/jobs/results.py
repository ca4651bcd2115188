"""From a photo and its alpha to the pictures that are written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.engine.estimator import Estimator
from mattecli.jobs.fills import Fill
from mattecli.jobs.trimap import trimap_options
from mattecli.media.thumbnails import fitted
from mattecli.ops.composite import checkerboard, composite, join_rgba, premultiplied
from mattecli.ops.despill import Screen, despilled
from mattecli.ops.foreground import ForegroundMethod, decontaminated
from mattecli.ops.lazy import LazyImage
from mattecli.ops.pixels import Float32, to_levels
from mattecli.ops.segmentation import Box, crop
from mattecli.ops.trimap import FOREGROUND, UNKNOWN, make_trimap
from mattecli.records import Array, Picture, Size
from mattecli.settings import MatteOptions

__all__ = ["Cutout", "Decontaminate", "Results", "decontaminator"]

Decontaminate: TypeAlias = Callable[[Array, Array, ForegroundMethod], Array]
"""Foreground colours of a photo and its alpha, as ``ops.foreground.decontaminated``."""

_PREVIEW_SIDE = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Cutout:
    """A photo with its alpha.

    Attributes:
        picture: at full size if anything but alpha, trimap and mask is wanted.
        alpha: H,W, 0..1, at the photo's full size, as it is written.
        mixing: alpha before its edge was changed (choke and the like), by which the photo mixes
            foreground and background: for estimating colours; None: as ``alpha``.
        trimap: H,W of 0, 128, 255: the one that was given, or None.
        foreground: H,W,3 RGB, 0..1 or levels: the model's own colours, or None.
        screen: the screen behind the subject, whose light is taken off its colours, or None.
        box: the part that is shown, or None for all.
    """

    picture: Picture
    alpha: Float32
    mixing: Float32 | None = None
    trimap: Array | None = None
    foreground: Array | None = None
    screen: Screen | None = None
    box: Box | None = None

    @property
    def mixture(self) -> Float32:
        """``mixing``, or ``alpha`` where that is the same, H,W."""
        return self.alpha if self.mixing is None else self.mixing


class Results:
    """The pictures of one cut-out; its foreground colours are estimated once, when needed.

    Args:
        cutout: the photo and its alpha.
        options: bit depth, kind of colours, premultiplication, shape of the trimap.
        fill: the composite's background.
        decontaminate: estimates foreground colours.
        keep: moves a large array to a file where memory has no room for it.
    """

    def __init__(
        self,
        cutout: Cutout,
        options: MatteOptions,
        fill: Fill,
        *,
        decontaminate: Decontaminate = decontaminated,
        keep: Callable[[Array], Array] = lambda image: image,
    ) -> None:
        self._decontaminate = decontaminate
        self._keep = keep
        self._cutout = cutout
        self._options = options.pixels
        self._shape = options.shape
        self._strength = options.finish.despill_strength
        self._invert = options.finish.invert
        self._fill = fill

    def image(self, kind: str) -> Array | LazyImage:
        """The picture of one kind, as levels: H,W, or H,W,3 RGB, or H,W,4 RGBA."""
        makers: Mapping[str, Callable[[], Array | LazyImage]] = {
            "alpha": self._alpha,
            "foreground": self._foreground,
            "composite": self._composite,
            "trimap": self._trimap,
            "mask": self._mask,
            "preview": self._preview,
        }
        made = makers[kind]()
        return made if kind == "preview" else self._cropped(made)

    def _cropped(self, image: Array | LazyImage) -> Array | LazyImage:
        box = self._cutout.box
        return image if box is None else np.ascontiguousarray(crop(np.asarray(image), box))

    @property
    def picture(self) -> Picture:
        """The photo."""
        return self._cutout.picture

    @property
    def levels(self) -> npt.DTypeLike:
        """The type of the pictures' levels."""
        if self._options.bit_depth == "auto":
            return np.uint8 if self._cutout.picture.bit_depth == 8 else np.uint16
        return np.uint8 if self._options.bit_depth == "8" else np.uint16

    @cached_property
    def _colours(self) -> Array:
        found, screen = self._keep(self._estimated), self._cutout.screen
        if screen is None:
            return found
        return despilled(found, self._cutout.mixture, screen, self._strength)

    @property
    def _estimated(self) -> Array:
        cutout = self._cutout
        method = self._options.foreground
        if method == "none":
            return to_levels(cutout.picture.color, self.levels)
        if method == "auto" and cutout.foreground is not None:
            return to_levels(cutout.foreground, self.levels)
        found = self._decontaminate(
            cutout.picture.color, cutout.mixture, "multilevel" if method == "auto" else method
        )
        return to_levels(found, self.levels)

    def _alpha(self) -> LazyImage:
        alpha, levels = self._cutout.alpha, self.levels
        return LazyImage(alpha.shape, np.dtype(levels), lambda rows: to_levels(alpha[rows], levels))

    def _foreground(self) -> Array | LazyImage:
        colours, alpha, options = self._colours, self._cutout.alpha, self._options
        if options.rgb and not options.premultiply:
            return colours

        def joined(rows: slice) -> Array:
            cover = to_levels(alpha[rows], colours.dtype)
            own = premultiplied(colours[rows], cover) if options.premultiply else colours[rows]
            return own if options.rgb else join_rgba(own, cover)

        return LazyImage((*alpha.shape, 3 if options.rgb else 4), colours.dtype, joined)

    def _composite(self) -> Array:
        size = Size.of(self._cutout.alpha)
        background = self._fill.picture(self._cutout.picture.color, self._cutout.mixture, size)
        return composite(self._colours, self._cutout.alpha, background)

    def _trimap(self) -> Array:
        given = self._cutout.trimap
        if given is not None:
            if not self._invert:
                return given
            return np.where(given == UNKNOWN, given, FOREGROUND - given)
        return make_trimap(self._cutout.alpha, trimap_options(self._shape))

    def _mask(self) -> Array:
        return np.where(self._cutout.alpha >= 0.5, 255, 0).astype(np.uint8)

    def _preview(self) -> Array:
        """The cut-out on a checkerboard, small enough to look through many."""
        whole = np.asarray(self._cropped(self._cutout.alpha))
        small = fitted(Size.of(whole), _PREVIEW_SIDE)
        colours = to_levels(np.asarray(self._cropped(self._colours)), np.uint8)
        # Premultiplied while it shrinks: hidden colours must not bleed into the edge.
        alpha = to_levels(whole)
        shown = composite(colours, alpha, np.zeros_like(colours))
        shrunk = cv2.resize(shown, small, interpolation=cv2.INTER_AREA)
        cover = cv2.resize(whole, small, interpolation=cv2.INTER_AREA)
        board = composite(np.zeros_like(shrunk), cover, checkerboard(small))
        return cv2.add(shrunk, board)


def decontaminator(estimator: Estimator) -> Decontaminate:
    """What estimates foreground colours: the GPU of the network, or the CPU."""
    if not estimator.accelerator:
        return decontaminated
    import torch

    from mattecli.engine.device_colours import DeviceColours

    return DeviceColours(torch.device(estimator.accelerator)).decontaminated
