"""A clamp to 0..1 which, in training, lets values find their way back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["bounded"]


class _Bounded(torch.autograd.Function):
    """A clamp whose gradient is let through where it leads back inside."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(0, 1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        (grad,) = grads
        stuck = ((x < 0) & (grad > 0)) | ((x > 1) & (grad < 0))
        return grad.masked_fill(stuck, 0)


def bounded(x: Tensor, *, eased: bool) -> Tensor:
    """``x`` clamped to 0..1.

    Args:
        x: of any shape.
        eased: let gradients through that move a value back inside. A plain clamp has none
            outside, so that wrong values would stay wrong.
    """
    if not eased:
        return x.clamp(0, 1)
    result: Tensor = _Bounded.apply(x)  # type: ignore[no-untyped-call] # torch leaves it untyped
    return result
