"""Max pooling that remembers where each maximum stood, and its inverse."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the usual name

__all__ = ["Switches", "pool", "unpool"]


@dataclass(frozen=True, slots=True)
class Switches:
    """What undoing a 2x2 pooling needs.

    Attributes:
        indices: where in its plane each maximum stood, N,C,floor(H/2),floor(W/2).
        size: H and W before the pooling.
    """

    indices: Tensor
    size: torch.Size


def pool(x: Tensor) -> tuple[Tensor, Switches]:
    """The maxima of N,C,H,W (an odd last row or column is dropped), and where they stood."""
    maxima, indices = F.max_pool2d_with_indices(x, kernel_size=[2, 2])
    return maxima, Switches(indices, x.shape[-2:])


def unpool(x: Tensor, switches: Switches) -> Tensor:
    """Values back where the maxima stood, zeros elsewhere.

    Args:
        x: of the shape of ``switches.indices``.
        switches: of the pooling to undo.

    Returns:
        N,C,H,W of the size before the pooling.
    """
    return F.max_unpool2d(x, switches.indices, kernel_size=[2, 2], output_size=list(switches.size))
