"""Steps in full precision, for networks that otherwise compute in half."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["at_least_float32", "sigmoid"]


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision as float32, other types unchanged.

    Between 0.5 and 1 bfloat16 has steps of a whole 8-bit level: too coarse for alpha.
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def sigmoid(logit: Tensor) -> Tensor:
    """0..1, computed in float32 at least."""
    return torch.sigmoid(at_least_float32(logit))
