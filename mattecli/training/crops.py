"""Crops of training pictures as tensors."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the usual name

__all__ = ["centre_crop", "square_then_crop"]


def square_then_crop(x: Tensor, height: int, width: int) -> Tensor:
    """Resize to a square that covers the target, then cut its centre.

    Lin et al., Background Matting V2, as its training does it.

    Args:
        x: N,C,H,W.
        height: of the result.
        width: of the result.
    """
    side = max(height, width)
    if x.shape[-2:] != (side, side):
        x = F.interpolate(x, (side, side), mode="bilinear", align_corners=False)
    return centre_crop(x, height, width)


def centre_crop(x: Tensor, height: int, width: int) -> Tensor:
    """Cut the centre exactly: where that lies between pixels, neighbours are averaged.

    Args:
        x: N,C,H,W, at least as large as the result.
        height: of the result.
        width: of the result.
    """
    return _centred(_centred(x, height, dim=2), width, dim=3)


def _centred(x: Tensor, length: int, dim: int) -> Tensor:
    spare = x.shape[dim] - length
    part = x.narrow(dim, spare // 2, length)
    return (part + x.narrow(dim, spare // 2 + 1, length)) / 2 if spare % 2 else part
