"""Foreground colours of a photo whose alpha is known, so that no trace of its background shows.

A cut-out that keeps the photo's colours carries its old background along each soft edge: a rim
and coloured hair. Here both layers of I = a*F + (1-a)*B are estimated around the mixed pixels.

- Where alpha is 1 the foreground is the photo, bit for bit.
- Where alpha is 0 the colour does not show. Up to ``REACH`` pixels from the subject it continues
  the subject's colours, so that scaling or filtering straight colours makes no fringe; farther
  out it is black, which keeps files small and carries nothing of the photo's background away.
- In between, alpha*F + (1-alpha)*B gives the photo back, except where that would need colours
  outside the range: 0..1 for levels, the photo's own range for floats (0..1 if that is wider).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import cv2
import numpy as np

from mattecli.ops.blocks import Block, Slices, blocks
from mattecli.ops.blur_fusion import NARROW, blur_fusion_layers, fused
from mattecli.ops.multilevel import multilevel_layers
from mattecli.ops.pixels import Float32, as_type
from mattecli.ops.unmixing import CLEAR, Limits, Mixture, Photo, SampledLayers
from mattecli.records import Array, Size

__all__ = ["REACH", "Colours", "ForegroundMethod", "decontaminated", "estimate_colours"]

ForegroundMethod: TypeAlias = Literal["multilevel", "blur-fusion"]
"""How colours are estimated; ``multilevel`` is the more accurate by far, and no slower."""

REACH = 16
"""Pixels that a layer's colours continue beyond where it is seen."""

_SIDE = 128  # with its halo a block's planes fit a processor's second-level cache


@dataclass(frozen=True, slots=True)
class Colours:
    """Both layers of a photo: H,W,3 of the photo's type, straight (not premultiplied)."""

    foreground: Array
    background: Array


@dataclass(frozen=True, slots=True)
class _Method:
    """How layers are found: a guess over the whole photo, then work on each piece of it.

    Attributes:
        guess: layers of the photo.
        refined: better layers of a piece.
        halo: pixels around a piece that have influence on it.
    """

    guess: Callable[[Photo], SampledLayers]
    refined: Callable[[Float32, Mixture, Limits], Float32]
    halo: int

    def layers(self, photo: Photo, guess: SampledLayers, part: Slices, count: int) -> Float32:
        """Layers of a part of the photo (the first one or two) that mix to it where colours can."""
        block = Block.around(part, self.halo, Size.of(photo.alpha))
        piece = photo.piece(block.outer)
        layers = self.refined(guess.at(block.outer), piece, photo.limits)
        inner = Mixture(piece.color[:, *block.core], piece.alpha[block.core])
        return inner.explained(layers[..., *block.core], photo.limits, count)


_METHODS: dict[ForegroundMethod, _Method] = {
    "multilevel": _Method(multilevel_layers, lambda layers, _piece, _limits: layers, halo=0),
    "blur-fusion": _Method(blur_fusion_layers, fused, halo=NARROW),
}


def estimate_colours(
    color: Array, alpha: Array, method: ForegroundMethod = "multilevel"
) -> Colours:
    """The colours in front of and behind the soft edges of a photo.

    Args:
        color: H,W,3 RGB; uint8, uint16 or float32.
        alpha: H,W; float32 0..1, or levels.
        method: how.
    """
    colours = Colours(np.zeros(color.shape, color.dtype), np.zeros(color.shape, color.dtype))
    _fill(Photo(color, alpha), method, colours.foreground, colours.background)
    return colours


def decontaminated(color: Array, alpha: Array, method: ForegroundMethod = "multilevel") -> Array:
    """The foreground of ``estimate_colours`` alone, in less memory."""
    foreground = np.zeros(color.shape, color.dtype)
    _fill(Photo(color, alpha), method, foreground, None)
    return foreground


def _fill(
    photo: Photo, method: ForegroundMethod, foreground: Array, background: Array | None
) -> None:
    """Solves the photo block by block; a layer that is not seen in a block stays black there."""
    way = _METHODS[method]
    guess = way.guess(photo)
    for block in blocks(Size.of(photo.color), _SIDE, REACH):
        lowest, highest = photo.alpha_range(block.outer)
        if lowest >= 1 - CLEAR:
            foreground[block.inner] = photo.color[block.inner]
        elif highest > CLEAR:
            alpha = photo.alpha_of(block.outer)
            layers = way.layers(photo, guess, block.inner, 1 if background is None else 2)
            own = photo.color[block.inner]
            _paint(foreground[block.inner], layers[0], own, alpha, block.core)
            if background is not None:
                _paint(background[block.inner], layers[1], own, 1 - alpha, block.core)
        elif background is not None:
            background[block.inner] = photo.color[block.inner]


def _paint(target: Array, planes: Float32, own: Array, share: Float32, core: Slices) -> None:
    """Writes one layer's colours into a block of the picture.

    Args:
        target: where, h,w,3.
        planes: the colours, 3,h,w.
        own: the photo's colours, for where the layer is all that is seen.
        share: how much of the layer is seen, in the block with its halo.
        core: where in ``share`` the block is.
    """
    seen = (share > CLEAR).astype(np.uint8)
    if not seen.all():
        near = cv2.dilate(seen, np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8))[core]
        planes = planes * near
    colors = cv2.merge(list(planes))
    target[...] = as_type(colors, target.dtype)
    alone = np.ascontiguousarray(share[core] >= 1 - CLEAR)
    cv2.copyTo(own, alone.view(np.uint8), target)
