"""A convolution in one step with what follows it: batch norm, a sum, an activation."""

from __future__ import annotations

from functools import cache
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - the usual name

__all__ = ["Activation", "FusedConv", "affine_of", "has_onednn"]

Activation = Literal["none", "relu", "relu6"]

_ONEDNN_NAMES: dict[Activation, tuple[str, list[float]]] = {
    "none": ("none", []),
    "relu": ("relu", []),
    "relu6": ("hardtanh", [0.0, 6.0]),
}


_PACKED_SIZES = 2  # portrait and landscape; each takes as much memory as the weights


class FusedConv(nn.Module):
    """Convolution, sum with another map, activation: one pass over memory where oneDNN does it.

    Args:
        weight: out,in/groups,kH,kW.
        bias: out, or None.
        like: gives stride, padding, dilation and groups.
        activation: what comes last.
    """

    def __init__(
        self, weight: Tensor, bias: Tensor | None, like: nn.Conv2d, activation: Activation = "none"
    ) -> None:
        super().__init__()
        fixed = weight.detach().contiguous(memory_format=torch.channels_last)
        self.weight = nn.Parameter(fixed, requires_grad=False)
        self.bias = None if bias is None else nn.Parameter(bias.detach(), requires_grad=False)
        assert not isinstance(like.padding, str)
        self.stride, self.padding = list(like.stride), list(like.padding)
        self.dilation, self.groups = list(like.dilation), like.groups
        self.activation: Activation = activation
        self._packed: dict[object, Tensor] = {}

    @classmethod
    def of(
        cls, conv: nn.Conv2d, norm: nn.BatchNorm2d | None = None, activation: Activation = "none"
    ) -> Self:
        """From layers: the batch norm goes into the convolution's weights."""
        if norm is None:
            return cls(conv.weight, conv.bias, conv, activation)
        gain, offset = affine_of(norm)
        weight = conv.weight.double() * gain[:, None, None, None]
        bias = offset if conv.bias is None else offset + conv.bias.double() * gain
        kind = conv.weight.dtype
        return cls(weight.to(kind), bias.to(kind), conv, activation)

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """N,in,H,W to N,out,H',W'.

        Args:
            x: the map; converted to the weights' type.
            add: of the result's shape and type; is added before the activation.
        """
        x = x.to(self.weight.dtype)
        if has_onednn(x):
            return self._onednn(x, add)
        y = F.conv2d(
            x,
            self.weight,
            None if self.bias is None else self.bias.to(x.dtype),
            (self.stride[0], self.stride[1]),
            (self.padding[0], self.padding[1]),
            (self.dilation[0], self.dilation[1]),
            self.groups,
        )
        if add is not None:
            y.add_(add)
        if self.activation == "none":
            return y
        return y.relu_() if self.activation == "relu" else y.clamp_(0, 6)

    def _onednn(self, x: Tensor, add: Tensor | None) -> Tensor:
        name, scalars = _ONEDNN_NAMES[self.activation]
        shape = (self.padding, self.stride, self.dilation, self.groups)
        convolve = torch.ops.mkldnn._convolution_pointwise
        weight = self._weight_for(x)
        y: Tensor
        if add is None:
            y = convolve(x, weight, self.bias, *shape, name, scalars, "")
        else:
            unary = "relu" if name == "relu" else None  # the only one that may follow a sum
            bias = None if self.bias is None else self.bias.to(x.dtype)
            y = convolve.binary(x, add, weight, bias, *shape, "add", None, unary, [], None)
            if self.activation == "relu6":
                y.clamp_(0, 6)
        return y

    def _weight_for(self, x: Tensor) -> Tensor:
        """The weight in oneDNN's own layout, which would be made anew in every call otherwise.

        The layout depends on the map's size and on the number of threads; that of another size is
        slower than none.
        """
        key = (x.shape, self.weight.dtype, torch.get_num_threads())
        packed = self._packed.get(key)
        if packed is None:
            if len(self._packed) >= _PACKED_SIZES:
                return self.weight
            packed = torch.ops.mkldnn._reorder_convolution_weight(
                self.weight, self.padding, self.stride, self.dilation, self.groups, list(x.shape)
            )
            self._packed[key] = packed
        return packed


def affine_of(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """A batch norm in evaluation mode as gain and offset of each channel, float64."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    gain = (norm.running_var.double() + norm.eps).rsqrt()
    if norm.affine:
        gain = gain * norm.weight.double()
    offset = -norm.running_mean.double() * gain
    return gain, offset + norm.bias.double() if norm.affine else offset


def has_onednn(x: Tensor) -> bool:
    """Whether oneDNN's fused convolutions take this map."""
    return (
        x.device.type == "cpu"
        and x.dtype in (torch.float32, torch.bfloat16)
        and not torch.is_grad_enabled()
        and _fused_convolutions()
    )


@cache
def _fused_convolutions() -> bool:
    """These operators are PyTorch's own for compiled code; a build may lack them."""
    names = ("_convolution_pointwise", "_reorder_convolution_weight")
    return all(hasattr(torch.ops.mkldnn, name) for name in names)
