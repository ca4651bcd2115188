"""Connected parts of a mask, found strip by strip: labels of a large photo take gigabytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.blocks import STRIP, strips

__all__ = ["Mask", "MaskRows", "Parts"]

Mask: TypeAlias = npt.NDArray[np.bool_]
MaskRows: TypeAlias = Callable[[slice], Mask]
"""Makes some rows of a mask, n,W."""

_Numbers: TypeAlias = npt.NDArray[np.signedinteger]


class Parts:
    """The connected parts of a mask: groups of touching pixels, numbered from 1.

    Args:
        mask: makes rows of the mask, several times, always the same.
        height: the mask's rows.
        corners: whether pixels that touch at a corner belong together.
        strip: rows that are looked at at once.

    Attributes:
        areas: pixels of each part, by its number; number 0 is no part and has none.
        at_border: whether a part reaches the picture's border, by its number.
    """

    def __init__(self, mask: MaskRows, height: int, *, corners: bool, strip: int = STRIP) -> None:
        self._mask = mask
        self._rows = list(strips(height, strip))
        self._corners = corners
        areas: list[_Numbers] = []
        links: list[_Numbers] = []
        edges: list[_Numbers] = []
        above: _Numbers | None = None
        for _, pieces in self._strips():
            areas.append(np.bincount(pieces.ravel())[sum(map(len, areas)) :])
            links.append(_links(above, pieces[0], corners=corners))
            edges += [pieces[:, 0].copy(), pieces[:, -1].copy()]
            edges += [pieces[0].copy()] if above is None else []
            above = pieces[-1].copy()
        edges += [] if above is None else [above]
        pixels = np.concatenate(areas)
        pixels[0] = 0
        self._part_of = _joined(len(pixels), np.concatenate(links, axis=1))
        self.areas: _Numbers = np.zeros(self._part_of.max() + 1, np.int64)
        np.add.at(self.areas, self._part_of, pixels)
        self.at_border: Mask = np.zeros(len(self.areas), np.bool_)
        self.at_border[self._part_of[np.concatenate(edges)]] = True

    def where(self, chosen: Mask) -> Iterator[tuple[slice, Mask]]:
        """The strips of the mask of those parts alone that are chosen, by their numbers."""
        shown = chosen[self._part_of]
        shown[0] = False
        for rows, pieces in self._strips():
            yield rows, shown[pieces]

    def holding(self, marked: Iterable[tuple[slice, Mask]]) -> Mask:
        """By its number, whether a part holds a marked pixel.

        Args:
            marked: the marks, in the strips that ``where`` gives.
        """
        found = np.zeros(len(self.areas), np.bool_)
        for (_, pieces), (_, marks) in zip(self._strips(), marked, strict=True):
            found[self._part_of[pieces[marks]]] = True
        found[0] = False
        return found

    def _strips(self) -> Iterator[tuple[slice, _Numbers]]:
        """The strips, n,W, with each pixel's piece: a part's share of a strip; 0 where none is."""
        before = 0
        for rows in self._rows:
            levels = np.ascontiguousarray(self._mask(rows)).view(np.uint8)
            count, labels = cv2.connectedComponents(levels, connectivity=8 if self._corners else 4)
            pieces = np.asarray(labels, np.int32)
            np.add(pieces, before, out=pieces, where=pieces > 0)
            yield rows, pieces
            before += count - 1


def _links(above: _Numbers | None, below: _Numbers, *, corners: bool) -> _Numbers:
    """Which pieces of a row touch which of the next: 2,n."""
    pairs: list[_Numbers] = [np.zeros((2, 0), np.int64)]
    if above is None:
        return pairs[0]
    width = len(below)
    for shift in (-1, 0, 1) if corners else (0,):
        left, right = max(0, -shift), width - max(0, shift)
        both = np.stack([above[left:right], below[left + shift : right + shift]])
        pairs.append(np.unique(both[:, (both > 0).all(axis=0)], axis=1))
    return np.concatenate(pairs, axis=1)


def _joined(count: int, links: _Numbers) -> _Numbers:
    """For each of so many pieces the number of its part; piece 0 is part 0."""
    if links.shape[1] == 0:
        return np.arange(count)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    graph = coo_array((np.ones(links.shape[1], np.int8), tuple(links)), shape=(count, count))
    found: _Numbers = connected_components(graph, directed=False)[1]
    return found
