"""MODNet's largest convolution, trained with a quarter of its arithmetic."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.modnet import LowResolutionBranch, MODNet

__all__ = ["convolve_before_enlarging"]


def convolve_before_enlarging(network: MODNet) -> None:
    """Let ``network``'s semantic branch multiply at 1/32 of the size what it needs at 1/16.

    Bilinear enlargement and convolution are both linear, so each tap of the 5x5 kernel may be
    multiplied before the map is enlarged. Weights and their names stay.
    """
    network.lr_branch = _Quick(network.lr_branch)


class _Quick(LowResolutionBranch):
    def __init__(self, branch: LowResolutionBranch) -> None:
        nn.Module.__init__(self)
        self.se_block, self.conv_lr16x = branch.se_block, branch.conv_lr16x
        self.conv_lr8x, self.conv_lr = branch.conv_lr8x, branch.conv_lr

    def forward(self, enc32x: Tensor) -> Tensor:
        """N,1280,H/32,W/32 to N,32,H/8,W/8."""
        convolution, *after = self.conv_lr16x.layers
        assert isinstance(convolution, nn.Conv2d)
        lr16x = _convolved_enlarged(self.se_block(enc32x), convolution)
        for layer in after:
            lr16x = layer(lr16x)
        enlarged = F.interpolate(lr16x, scale_factor=2, mode="bilinear", align_corners=False)
        lr8x: Tensor = self.conv_lr8x(enlarged)
        return lr8x


def _convolved_enlarged(x: Tensor, convolution: nn.Conv2d) -> Tensor:
    """``convolution(enlarge(x))``, N,in,H,W to N,out,2H,2W; the kernel is odd and keeps the size.

    A 1x1 convolution makes the products of all taps at the small size; enlarging them, shifting
    and adding are two small matrix products, along x and along y.
    """
    weight = convolution.weight
    out_channels, in_channels, kernel, _ = weight.shape
    count, _, height, width = x.shape
    taps = weight.permute(3, 2, 0, 1).reshape(-1, in_channels, 1, 1)
    products = F.conv2d(x, taps).permute(0, 2, 3, 1)  # N,H,W,(kx,ky,out)
    along_x = _spread(width, kernel).to(products)
    along_y = _spread(height, kernel).to(products)
    rows = along_x @ products.reshape(count * height, width * kernel, kernel * out_channels)
    rows = rows.view(count, height, 2 * width, kernel, out_channels).transpose(2, 3)
    grown = along_y @ rows.reshape(count, height * kernel, 2 * width * out_channels)
    grown = grown.view(count, 2 * height, 2 * width, out_channels)
    if convolution.bias is not None:
        grown = grown + convolution.bias
    return grown.permute(0, 3, 1, 2)


@lru_cache(maxsize=64)
def _spread(length: int, kernel: int) -> Tensor:
    """2*length, (length,kernel): from taps' products to the enlarged, shifted sum."""
    basis = torch.eye(length, dtype=torch.float64)[None]
    enlarge = F.interpolate(basis, scale_factor=2, mode="linear", align_corners=False)[0].T
    reach = kernel // 2
    padded = F.pad(enlarge, (0, 0, reach, reach))
    shifted = [padded[tap : tap + 2 * length] for tap in range(kernel)]
    return torch.stack(shifted, dim=2).reshape(2 * length, -1)
