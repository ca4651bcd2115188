"""Solves tiles of a photo, also those whose trimap tells too little to solve them alone."""

from __future__ import annotations

import math
from functools import cached_property

import cv2
import numpy as np

from mattecli.models.classical import shows_both, solve
from mattecli.ops.pixels import Float32, to_float
from mattecli.ops.tiling import Tile, cut
from mattecli.ops.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from mattecli.records import Array, Size

__all__ = ["RoughSolution"]

_PIXELS = 150_000  # of the reduced photo, which is solved whole


class RoughSolution:
    """Solves the tiles of a photo.

    In an unknown region wider than a tile there are tiles that show no certain foreground, or no
    certain background, or neither. Such a tile takes its alpha from a solution of the whole photo
    on fewer pixels, made when the first tile needs it; closed-form then adds the detail.

    Args:
        name: of the solver.
        color: H,W,3 RGB; uint8, uint16 or float32.
        trimap: H,W of 0, 128, 255.
    """

    def __init__(self, name: str, color: Array, trimap: Array) -> None:
        self._name = name
        self._color = color
        self._trimap = trimap

    def solved(self, tile: Tile) -> Float32:
        """Alpha of a tile, h,w, 0..1.

        Raises:
            MemoryError: the linear system did not fit.
            ResourceError: the solver failed.
        """
        color, trimap = cut(self._color, tile), cut(self._trimap, tile)
        if tile.shape == self._trimap.shape or shows_both(trimap, self._name):
            return solve(self._name, color, trimap)
        prior = self._enlarged(tile)
        prior[trimap == BACKGROUND], prior[trimap == FOREGROUND] = 0, 1
        if self._name != "closed-form":
            return prior
        from mattecli.models.soft_closed_form import solve_band

        return solve_band(color, prior, trimap)

    @cached_property
    def _small(self) -> Float32:
        """Alpha of the whole photo, on fewer pixels, h,w."""
        have = Size.of(self._trimap)
        step = math.sqrt(max(have.pixels / _PIXELS, 1))
        size = Size(*(max(round(side / step), 1) for side in have))
        trimap = cv2.resize(self._trimap, size, interpolation=cv2.INTER_AREA)
        shares = to_float(trimap)
        certain = np.full(shares.shape, UNKNOWN, np.uint8)
        certain[shares == 0], certain[shares == 1] = BACKGROUND, FOREGROUND
        if all((certain == level).any() for level in (BACKGROUND, FOREGROUND)):
            color = cv2.resize(self._color, size, interpolation=cv2.INTER_AREA)
            return solve(self._name, color, certain)
        return shares

    def _enlarged(self, tile: Tile) -> Float32:
        """The part of ``_small`` that a tile covers, at full size."""
        small = self._small
        rows, columns = (
            (np.arange(span.start, span.stop, dtype=np.float32) + 0.5) * (have / full) - 0.5
            for span, have, full in zip(
                (tile.rows, tile.columns), small.shape, self._trimap.shape, strict=True
            )
        )
        across, down = np.meshgrid(columns, rows)
        grown = cv2.remap(small, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(grown, np.float32)
