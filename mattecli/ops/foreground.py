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

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

import cv2
import numpy as np

from mattecli.ops.blocks import Block, Slices, blocks
from mattecli.ops.blur_fusion import BlurFusionSolver
from mattecli.ops.multilevel import MultilevelSolver
from mattecli.ops.pixels import Float32, to_levels
from mattecli.ops.unmixing import Limits, Mixture, Photo
from mattecli.records import Array, Size

__all__ = ["REACH", "Colours", "ForegroundMethod", "decontaminated", "estimate_colours"]

ForegroundMethod: TypeAlias = Literal["multilevel", "blur-fusion"]
"""How colours are estimated; ``multilevel`` leaves about a third of ``blur-fusion``'s error."""

REACH = 16
"""Pixels that a layer's colours continue beyond where it is seen."""

_CLEAR = np.float32(0.5 / 255)  # less than this does not show at 8 bits
_SIDE = 128  # with its halo a block's planes fit a processor's second-level cache


@dataclass(frozen=True, slots=True)
class Colours:
    """Both layers of a photo: H,W,3 of the photo's type, straight (not premultiplied)."""

    foreground: Array
    background: Array


class _Solver(Protocol):
    def layers(self, part: Slices, piece: Mixture) -> Float32: ...


class _SolverMaker(Protocol):
    def __call__(self, photo: Photo) -> _Solver: ...


_SOLVERS: dict[ForegroundMethod, _SolverMaker] = {
    "multilevel": MultilevelSolver,
    "blur-fusion": BlurFusionSolver,
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
    colours = Colours(np.zeros_like(color), np.zeros_like(color))
    _fill(Photo(color, alpha), method, colours.foreground, colours.background)
    return colours


def decontaminated(color: Array, alpha: Array, method: ForegroundMethod = "multilevel") -> Array:
    """The foreground of ``estimate_colours`` alone, in less memory."""
    foreground = np.zeros_like(color)
    _fill(Photo(color, alpha), method, foreground, None)
    return foreground


def _fill(
    photo: Photo, method: ForegroundMethod, foreground: Array, background: Array | None
) -> None:
    """Solves the photo block by block; a layer that is not seen in a block stays black there."""
    solver = _SOLVERS[method](photo)
    for block in blocks(Size.of(photo.color), _SIDE, REACH):
        alpha = photo.alpha_of(block.outer)
        if alpha.min() >= 1 - _CLEAR:
            foreground[block.inner] = photo.color[block.inner]
        elif alpha.max() > _CLEAR:
            piece = photo.piece(block.outer)
            layers = _explained(solver.layers(block.outer, piece), piece, block, photo.limits)
            own = photo.color[block.inner]
            _paint(foreground[block.inner], layers[:3], own, piece.alpha, block)
            if background is not None:
                _paint(background[block.inner], layers[3:], own, 1 - piece.alpha, block)
        elif background is not None:
            background[block.inner] = photo.color[block.inner]


def _explained(layers: Float32, piece: Mixture, block: Block, limits: Limits) -> Float32:
    """The inner part of a block's layers, made to mix to the photo exactly."""
    inner = Mixture(piece.color[:, *block.core], piece.alpha[block.core])
    return inner.explained(layers[:, *block.core], limits)


def _paint(target: Array, planes: Float32, own: Array, share: Float32, block: Block) -> None:
    """Writes one layer's colours into a block of the picture.

    Args:
        target: where, h,w,3.
        planes: the colours, 3,h,w.
        own: the photo's colours, for where the layer is all that is seen.
        share: how much of the layer is seen, in the block with its halo.
        block: the block.
    """
    seen = (share > _CLEAR).astype(np.uint8)
    near = cv2.dilate(seen, np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8))[block.core]
    colors = cv2.merge([plane * near for plane in planes])
    floating = np.issubdtype(target.dtype, np.floating)
    target[...] = colors if floating else to_levels(colors, target.dtype)
    alone = np.ascontiguousarray(share[block.core] >= 1 - _CLEAR)
    cv2.copyTo(own, alone.view(np.uint8), target)
