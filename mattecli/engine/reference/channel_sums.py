"""Networks whose 1x1 convolutions add their channels one after the other.

How a library groups such a sum depends on the caches of the machine. Behind many layers, that
grouping alone sets our numbers apart from recorded ones. The plain order is that of the recordings,
for sums of up to some hundred channels.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

__all__ = ["channels_in_order"]


@contextmanager
def channels_in_order(network: nn.Module) -> Iterator[None]:
    """While entered, ``network`` sums the channels of 1x1 convolutions in order, in float32."""
    chosen = [
        module
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
        and module.kernel_size == (1, 1)
        and module.stride == (1, 1)
        and module.groups == 1
        and module.bias is None
    ]
    hooks = [module.register_forward_hook(_summed_in_order) for module in chosen]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _summed_in_order(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    weight = module.get_parameter("weight").double()
    x = inputs[0].double()  # a product of two float32 is exact in it: each step rounds once
    total = torch.zeros_like(output)
    for channel in range(x.shape[1]):
        product = x[:, channel : channel + 1] * weight[None, :, channel]
        total = (total.double() + product).float()
    return total
