"""Background Matting V2's losses.

Lin et al., CVPR 2021, arXiv 2012.07810, section 4.3. Alpha ``pha`` and error ``err`` are
N,1,H,W, foreground ``fgr`` N,3,H,W, 0..1; ``sm`` marks the coarse size.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the usual name

__all__ = ["Coarse", "Layers", "base_losses", "refine_losses", "sobel"]


@dataclass(frozen=True, slots=True)
class Layers:
    """Alpha and foreground colours."""

    pha: Tensor
    fgr: Tensor


@dataclass(frozen=True, slots=True)
class Coarse:
    """What the coarse network predicts."""

    pha: Tensor
    fgr: Tensor
    err: Tensor


def base_losses(predicted: Coarse, true: Layers) -> dict[str, Tensor]:
    """The four terms of the base stage; their sum is the loss."""
    error = (predicted.pha - true.pha).abs().detach()
    return {
        "pha_l1": F.l1_loss(predicted.pha, true.pha),
        "pha_sobel": F.l1_loss(sobel(predicted.pha), sobel(true.pha)),
        "fgr_l1": _foreground_l1(predicted.fgr, true),
        "err_mse": F.mse_loss(predicted.err, error),
    }


def refine_losses(refined: Layers, coarse: Coarse, true: Layers) -> dict[str, Tensor]:
    """The seven terms of the refinement stage; their sum is the loss.

    As in the reference, the target of the error map is not detached here: it moves the coarse
    alpha, too.
    """
    small = Layers(_resized(true.pha, coarse.pha), _resized(true.fgr, coarse.pha))
    enlarged_error = _resized(coarse.err, true.pha)
    error = (_resized(coarse.pha, true.pha) - true.pha).abs()
    return {
        "pha_lg_l1": F.l1_loss(refined.pha, true.pha),
        "pha_sm_l1": F.l1_loss(coarse.pha, small.pha),
        "pha_lg_sobel": F.l1_loss(sobel(refined.pha), sobel(true.pha)),
        "pha_sm_sobel": F.l1_loss(sobel(coarse.pha), sobel(small.pha)),
        "fgr_lg_l1": _foreground_l1(refined.fgr, true),
        "fgr_sm_l1": _foreground_l1(coarse.fgr, small),
        "err_mse": F.mse_loss(enlarged_error, error),
    }


def sobel(x: Tensor) -> Tensor:
    """The gradient's length, N,1,H,W to the same shape; the border is replicated."""
    rows = x.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 8
    kernels = torch.stack((rows, rows.T)).unsqueeze(1)
    slopes = F.conv2d(F.pad(x, (1, 1, 1, 1), mode="replicate"), kernels)
    return torch.sqrt(slopes.square().sum(dim=1, keepdim=True) + 1e-6)


def _foreground_l1(fgr: Tensor, true: Layers) -> Tensor:
    """The difference where there is any foreground; the mean is over all pixels."""
    seen = true.pha != 0
    return F.l1_loss(fgr * seen, true.fgr * seen)


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
