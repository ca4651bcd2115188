"""MobileNetV2's building block, as MODNet's and SHM's encoders name and wire it."""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["InvertedResidual", "inverted_residuals"]


class InvertedResidual(nn.Module):
    """Expand, filter each channel, project; add the input where the shapes allow it.

    Sandler et al., MobileNetV2, CVPR 2018, section 3.4. Batch norm follows every convolution,
    ReLU6 all but the last. The layers are one sequence called ``conv``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: of the depthwise convolution, 1 or 2.
        expansion: inner channels per input channel.
        always_expand: keep the 1x1 expanding convolution at expansion 1 too (SHM does).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        stride: int,
        expansion: int,
        always_expand: bool = False,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        expand: list[nn.Module] = []
        if always_expand or expansion > 1:
            expand = [
                nn.Conv2d(in_channels, inner, 1, bias=False),
                nn.BatchNorm2d(inner),
                nn.ReLU6(inplace=True),
            ]
        self.conv = nn.Sequential(
            *expand,
            nn.Conv2d(inner, inner, 3, stride, padding=1, groups=inner, bias=False),
            nn.BatchNorm2d(inner),
            nn.ReLU6(inplace=True),
            nn.Conv2d(inner, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.adds_input = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        """N,in,H,W to N,out,H/stride,W/stride (rounded up)."""
        y: Tensor = self.conv(x)
        return x + y if self.adds_input else y


def inverted_residuals(
    in_channels: int, out_channels: int, *, count: int, stride: int
) -> list[InvertedResidual]:
    """``count`` blocks of expansion 6; the first changes the channels and has the stride."""
    first = InvertedResidual(in_channels, out_channels, stride=stride, expansion=6)
    rest = (
        InvertedResidual(out_channels, out_channels, stride=1, expansion=6)
        for _ in range(count - 1)
    )
    return [first, *rest]
