"""The last step of most matting networks."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["sigmoid"]


def sigmoid(logit: Tensor) -> Tensor:
    """0..1, in float32 at least: between 0.5 and 1, bfloat16 has steps of a whole level."""
    return torch.sigmoid(logit.to(torch.promote_types(logit.dtype, torch.float32)))
