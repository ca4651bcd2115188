"""MODNet's IBNorm and ReLU in few passes over memory, for training.

The plain module copies both halves of the channels, and its instance norm takes channels-last maps
to another layout and back: on a CPU more than half of a training step. Here both norms are one
scale and shift for each picture and channel, and the ReLU is part of it. A CPU takes one picture
after the other, which then stays in its cache; a GPU takes all at once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from mattecli.models.modnet import Conv, IBNorm

__all__ = ["FusedIBNormReLU", "fuse_norms"]


def fuse_norms(network: nn.Module) -> None:
    """Replace IBNorm and ReLU in ``network``; parameters, buffers and their names stay."""
    for module in network.modules():
        if isinstance(module, Conv) and len(module.layers) == 3:
            norm = module.layers[1]
            assert isinstance(norm, IBNorm)
            module.layers[1] = FusedIBNormReLU(norm.bnorm)
            module.layers[2] = nn.Identity()


class FusedIBNormReLU(nn.Module):
    """Batch norm on the first channels, instance norm on as many others, then ReLU.

    Args:
        bnorm: the batch norm; its affine weights and running statistics are used and updated.
    """

    def __init__(self, bnorm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.bnorm = bnorm

    def forward(self, x: Tensor) -> Tensor:
        """N,C,H,W to the same shape, channels last."""
        bnorm = self.bnorm
        maps = x.contiguous(memory_format=torch.channels_last)
        mean, variance = _moments(maps.detach(), bnorm.num_features).unbind()
        half = bnorm.num_features
        if bnorm.training:
            self._track(mean[0, :half], variance[0, :half], count=maps[:, 0].numel())
        else:
            assert bnorm.running_mean is not None
            assert bnorm.running_var is not None
            mean[:, :half], variance[:, :half] = bnorm.running_mean, bnorm.running_var
        affine = torch.stack((bnorm.weight, bnorm.bias))
        y: Tensor = _NormReLU.apply(  # type: ignore[no-untyped-call] # torch leaves it untyped
            maps, affine, mean, torch.rsqrt(variance + bnorm.eps), bnorm.training
        )
        return y

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        bnorm = self.bnorm
        assert bnorm.running_mean is not None
        assert bnorm.running_var is not None
        assert bnorm.num_batches_tracked is not None
        share = bnorm.momentum if bnorm.momentum is not None else 0.1
        unbiased = variance * (count / max(1, count - 1))
        bnorm.running_mean.lerp_(mean, share)
        bnorm.running_var.lerp_(unbiased, share)
        bnorm.num_batches_tracked += 1


def _moments(x: Tensor, half: int) -> Tensor:
    """Mean and variance, 2,N,C: of the batch for the first ``half`` channels, of the picture for
    the rest.
    """
    mean, variance = _moments_at_once(x) if x.is_cuda else _moments_in_turn(x)
    batch_mean = mean[:, :half].mean(0)
    spread = (mean[:, :half] - batch_mean).square()
    variance[:, :half] = (variance[:, :half] + spread).mean(0)
    mean[:, :half] = batch_mean
    return torch.stack((mean, variance))


def _moments_in_turn(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each picture and channel, N,C float32 each."""
    each = [torch.batch_norm_update_stats(picture[None], None, None, 0.0) for picture in x]
    mean = torch.stack([mean for mean, _ in each]).float()
    return mean, torch.stack([variance for _, variance in each]).float()


def _moments_at_once(x: Tensor) -> tuple[Tensor, Tensor]:
    """The same over the whole batch."""
    pixels = x[0, 0].numel()
    mean = x.sum(dim=(2, 3), dtype=torch.float32) / pixels
    near, rest = _near(mean, x)
    length = torch.linalg.vector_norm(x - near, dim=(2, 3), dtype=torch.float32)
    return mean, (length.square() / pixels - rest.square()).clamp_min(0)


def _near(mean: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """``mean`` rounded to the type of ``x``, N,C,1,1, and what the rounding took away, N,C.

    Sums over ``x`` less the first do not cancel out; the second corrects them.
    """
    near = _planes(mean, x)
    return near, mean - near[..., 0, 0].float()


class _NormReLU(torch.autograd.Function):
    """``relu((x - mean) * inverse * weight + bias)`` and its gradient.

    ``affine`` holds weight and bias of the batch norm, 2,C/2; ``mean`` and ``inverse`` (one over
    the standard deviation) are N,C. With ``follow`` the gradient knows that the batch norm's
    statistics depend on ``x``; the instance norm's always do.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, affine: Tensor, mean: Tensor, inverse: Tensor, follow: bool
    ) -> Tensor:
        half = affine.shape[1]
        gain = inverse.clone()
        gain[:, :half] *= affine[0]
        offset = -mean * gain
        offset[:, :half] += affine[1]
        y = _scaled(x, gain, offset).relu_()
        ctx.save_for_backward(x, y, mean, inverse, gain)
        ctx.half, ctx.follow = half, follow
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, y, mean, inverse, gain = ctx.saved_tensors
        half, pixels = ctx.half, x[0, 0].numel()
        grad = grad.contiguous(memory_format=torch.channels_last)
        grad = torch.ops.aten.threshold_backward(grad, y, 0)
        total, product = _sums(grad, x, mean, inverse)  # over pixels: g, and g times normalised x
        share_total, share_product = total / pixels, product / pixels
        share_total[:, :half] = share_total[:, :half].mean(0) * ctx.follow
        share_product[:, :half] = share_product[:, :half].mean(0) * ctx.follow
        slope = -gain * share_product * inverse
        offset = -gain * share_total - slope * mean
        out = _scaled(x, slope, offset)
        out.addcmul_(grad, _planes(gain, x))
        affine = torch.stack((product[:, :half].sum(0), total[:, :half].sum(0)))
        return out, affine, None, None, None


def _scaled(x: Tensor, gain: Tensor, offset: Tensor) -> Tensor:
    """``x * gain + offset``, these two N,C."""
    gains, offsets = _planes(gain, x), _planes(offset, x)
    if x.is_cuda:
        return torch.addcmul(offsets, x, gains)
    y = torch.empty_like(x)
    for i in range(len(x)):  # one picture at a time stays in the cache
        torch.addcmul(offsets[i], x[i], gains[i], out=y[i])
    return y


def _planes(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like.dtype)[:, :, None, None]


def _sums(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    """The sums that batch norm's backward pass makes, for each picture: N,C each."""
    return (_sums_at_once if x.is_cuda else _sums_in_turn)(grad, x, mean, inverse)


def _sums_at_once(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    near, rest = _near(mean, x)
    total = grad.sum(dim=(2, 3), dtype=torch.float32)
    product = (x - near).mul_(grad).sum(dim=(2, 3), dtype=torch.float32)
    return total, inverse * (product - rest * total)


def _sums_in_turn(grad: Tensor, x: Tensor, mean: Tensor, inverse: Tensor) -> tuple[Tensor, Tensor]:
    variance = inverse.square().reciprocal()
    rows = [
        torch.ops.aten.native_batch_norm_backward(
            grad[i : i + 1],
            x[i : i + 1],
            None,
            mean[i],
            variance[i],
            mean[i],
            inverse[i],
            True,
            0.0,
            [False, True, True],
        )
        for i in range(len(x))
    ]
    return torch.stack([row[2] for row in rows]).float(), torch.stack([r[1] for r in rows]).float()
