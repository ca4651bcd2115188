"""MODNet's largest convolution, trained with a quarter of its arithmetic."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.modnet import LowResolutionBranch, MODNet
from mattecli.models.parts.tap_products import enlarged_sum, tap_weights

__all__ = ["convolve_before_enlarging"]


def convolve_before_enlarging(network: MODNet) -> None:
    """Let ``network``'s semantic branch multiply at 1/32 of the size instead of at 1/16.

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
    """``convolution(enlarge(x))``, N,in,H,W to N,out,2H,2W; the kernel is odd, keeps the size."""
    weight = convolution.weight
    products = F.conv2d(x, tap_weights(weight))
    grown = enlarged_sum(products, convolution.kernel_size[0], len(weight))
    if convolution.bias is not None:
        grown = grown + convolution.bias
    return grown.permute(0, 3, 1, 2)
