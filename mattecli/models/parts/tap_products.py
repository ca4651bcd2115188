"""The second half of convolving an enlarged map without enlarging it."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the usual name

__all__ = ["enlarged_sum", "tap_weights"]


def tap_weights(weight: Tensor) -> Tensor:
    """A kernel out,in,k,k as one 1x1 convolution for each tap, k*k*out,in,1,1."""
    return weight.permute(3, 2, 0, 1).reshape(-1, weight.shape[1], 1, 1)


def enlarged_sum(products: Tensor, kernel: int, channels: int) -> Tensor:
    """The taps' products, enlarged bilinearly to twice the size, shifted and added.

    That is ``conv(enlarge(x))`` of a kernel that keeps the size, as two small matrix products,
    along x and along y.

    Args:
        products: N,k*k*channels,H,W: what ``tap_weights`` makes of ``x``.
        kernel: k, odd.
        channels: of the result.

    Returns:
        N,2H,2W,channels.
    """
    count, _, height, width = products.shape
    last = products.permute(0, 2, 3, 1)  # N,H,W,(kx,ky,out)
    along_x = _spread(width, kernel, last.dtype, last.device)
    along_y = _spread(height, kernel, last.dtype, last.device)
    rows = along_x @ last.reshape(count * height, width * kernel, kernel * channels)
    rows = rows.view(count, height, 2 * width, kernel, channels).transpose(2, 3)
    grown: Tensor = along_y @ rows.reshape(count, height * kernel, 2 * width * channels)
    return grown.view(count, 2 * height, 2 * width, channels)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def _spread(length: int, kernel: int, kind: torch.dtype, device: torch.device) -> Tensor:
    """2*length, (length,kernel): from taps' products to the enlarged, shifted sum."""
    basis = torch.eye(length, dtype=torch.float64)[None]
    enlarge = F.interpolate(basis, scale_factor=2, mode="linear", align_corners=False)[0].T
    reach = kernel // 2
    padded = F.pad(enlarge, (0, 0, reach, reach))
    shifted = [padded[tap : tap + 2 * length] for tap in range(kernel)]
    return torch.stack(shifted, dim=2).reshape(2 * length, -1).to(device, kind)
