"""Foreground colours of a photo whose alpha is known, so that no trace of its background shows.

A cut-out that keeps the photo's colours carries its old background along each soft edge: a rim
and coloured hair. Here both layers of I = a*F + (1-a)*B are estimated around the mixed pixels.

- Where alpha is 1 the foreground is the photo, bit for bit.
- Where alpha is 0 the colour does not show. Up to ``REACH`` pixels from the subject it continues
  the subject's colours, so that scaling or filtering straight colours makes no fringe; farther
  out it is black, which keeps files small and takes nothing of the photo's background along.
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
from mattecli.ops.unmixing import CLEAR, Limits, MixedPhoto, Mixture, SampledLayers
from mattecli.records import Array, Size

__all__ = ["REACH", "ForegroundMethod", "decontaminated"]

ForegroundMethod: TypeAlias = Literal["multilevel", "blur-fusion"]
"""How colours are estimated; ``multilevel`` is the more accurate by far, and no slower."""

REACH = 16
"""Pixels that a layer's colours continue beyond where it is seen."""

_SIDE = 128  # with its halo a block's planes fit a processor's second-level cache


@dataclass(frozen=True, slots=True)
class _Method:
    """How layers are found: a guess over the whole photo, then work on each piece of it.

    Attributes:
        guess: layers of the photo.
        refined: better layers of a piece.
        halo: pixels around a piece that influence it.
    """

    guess: Callable[[MixedPhoto], SampledLayers]
    refined: Callable[[Float32, Mixture, Limits], Float32]
    halo: int

    def foreground(self, photo: MixedPhoto, guess: SampledLayers, part: Slices) -> Float32:
        """Foreground of a part of the photo, 3,H,W; with some background it mixes to the photo."""
        block = Block.around(part, self.halo, Size.of(photo.alpha))
        piece = photo.piece(block.outer)
        layers = self.refined(guess.at(block.outer), piece, photo.limits)
        inner = Mixture(piece.color[:, *block.core], piece.alpha[block.core])
        return inner.explained(layers[..., *block.core], photo.limits)


_METHODS: dict[ForegroundMethod, _Method] = {
    "multilevel": _Method(multilevel_layers, lambda layers, _piece, _limits: layers, halo=0),
    "blur-fusion": _Method(blur_fusion_layers, fused, halo=NARROW),
}


def decontaminated(color: Array, alpha: Array, method: ForegroundMethod = "multilevel") -> Array:
    """The colours in front of the soft edges of a photo.

    The photo is solved block by block; a block in which the foreground is not seen stays black.

    Args:
        color: H,W,3 RGB; uint8, uint16 or float32.
        alpha: H,W; float32 0..1, or levels.
        method: how.

    Returns:
        H,W,3 of the photo's type, straight (not premultiplied).
    """
    photo, way = MixedPhoto(color, alpha), _METHODS[method]
    foreground = np.zeros(color.shape, color.dtype)
    guess = way.guess(photo)
    for block in blocks(Size.of(color), _SIDE, REACH):
        lowest, highest = photo.alpha_range(block.outer)
        own = color[block.inner]
        if lowest >= 1 - CLEAR:
            foreground[block.inner] = own
        elif highest > CLEAR:
            planes = way.foreground(photo, guess, block.inner)
            _paint(foreground[block.inner], planes, own, photo.alpha_of(block.outer), block.core)
    return foreground


def _paint(target: Array, planes: Float32, own: Array, share: Float32, core: Slices) -> None:
    """Write the foreground's colours into a block of the picture.

    Args:
        target: where to, h,w,3; changed in place.
        planes: the colours, 3,h,w.
        own: the photo's colours, h,w,3, used where the foreground is all that is seen.
        share: alpha of the block with its halo.
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
