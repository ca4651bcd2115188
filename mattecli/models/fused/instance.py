"""Instance norm and ReLU in two passes over memory: one that measures, one that applies."""

from __future__ import annotations

import torch
from torch import Tensor

from mattecli.models.fused.convolution import has_onednn

__all__ = ["moments", "scale_shift_relu"]


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and (biased) variance of each channel of each picture, N,C, float32 at least."""
    if x.device.type != "cpu":
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        variance, mean = torch.var_mean(wide, dim=(2, 3), correction=0)
        return mean, variance
    # On a CPU var_mean runs without vector instructions, twenty times slower than batch norm's.
    kind = torch.promote_types(x.dtype, torch.float32)
    unused = torch.zeros(x.shape[1], dtype=kind)  # running statistics, which set the result's type
    each = [torch.batch_norm_update_stats(picture[None], unused, unused, 0.0) for picture in x]
    return torch.stack([mean for mean, _ in each]), torch.stack([spread for _, spread in each])


def scale_shift_relu(x: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    """``relu(x * gain + offset)``.

    Args:
        x: N,C,H,W, channels last; may be overwritten.
        gain: N,C.
        offset: N,C.
    """
    gain, offset = gain.to(x.dtype), offset.to(x.dtype)
    if x.dtype == torch.bfloat16 and has_onednn(x):
        return _as_convolution(x, gain, offset)
    if x.device.type != "cpu":
        return torch.addcmul(offset[:, :, None, None], x, gain[:, :, None, None]).relu_()
    for i in range(len(x)):  # one picture at a time stays in the cache
        torch.addcmul(offset[i, :, None, None], x[i], gain[i, :, None, None], out=x[i])
    return x.relu_()


def _as_convolution(x: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    """As a depthwise convolution, which oneDNN ends with the ReLU: a third of the time."""
    convolve = torch.ops.mkldnn._convolution_pointwise
    channels = x.shape[1]
    each = [
        convolve(
            x[i : i + 1],
            gain[i].view(-1, 1, 1, 1),
            offset[i],
            [0, 0],
            [1, 1],
            [1, 1],
            channels,
            "relu",
            [],
            "",
        )
        for i in range(len(x))
    ]
    return each[0] if len(each) == 1 else torch.cat(each)
