"""The maps that an encoder hands to a decoder with shortcuts."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Pyramid"]


@dataclass(frozen=True, slots=True)
class Pyramid:
    """An encoder's maps; sizes are rounded up.

    Attributes:
        x0: the input itself, N,C,H,W.
        x1, x2, x3: shortcuts at 1/2, 1/4 and 1/8.
        x4: the deepest map, at 1/16.
    """

    x0: Tensor
    x1: Tensor
    x2: Tensor
    x3: Tensor
    x4: Tensor
