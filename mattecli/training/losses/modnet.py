"""MODNet's losses: supervised, and self-supervised consistency (SOC).

Ke et al., MODNet, AAAI 2022, arXiv 2011.11961, sections 3 and 4; constants of the reference's
training functions. Alpha and its predictions are N,1,H,W, 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.ops.pixels import array_from_tensor, tensor_from_array

__all__ = [
    "Predictions",
    "blurred",
    "coarse",
    "semantic_losses",
    "soc_boundaries",
    "soc_losses",
    "supervised_losses",
]

_CENTRE, _EDGE, _CORNER = 0.24955814, 0.1249999, 0.06261057
_SEMANTIC_SCALE, _DETAIL_SCALE = 10.0, 10.0
_SOC_SEMANTIC_SCALE = 100.0
_KNOWN_WEIGHT = 4.0
_UNKNOWN = 0.5


@dataclass(frozen=True, slots=True)
class Predictions:
    """The three heads: semantic N,1,H/16,W/16; detail and matte N,1,H,W."""

    semantic: Tensor
    detail: Tensor
    matte: Tensor


def supervised_losses(
    predicted: Predictions, image: Tensor, alpha: Tensor, trimap: Tensor
) -> dict[str, Tensor]:
    """The three terms, scaled; their sum is the loss.

    Args:
        predicted: of the network in training mode.
        image: what the network saw, N,3,H,W, -1..1.
        alpha: the truth.
        trimap: N,1,H,W; 0, 0.5 (unknown) and 1.
    """
    known = trimap != _UNKNOWN
    semantic = F.mse_loss(predicted.semantic, blurred(coarse(alpha)))
    # Known pixels are equal on both sides, so only the border counts; the mean is over all pixels.
    detail = F.l1_loss(
        torch.where(known, trimap, predicted.detail), torch.where(known, trimap, alpha)
    )
    border = torch.where(known, trimap, predicted.matte)
    matte = F.l1_loss(predicted.matte, alpha) + _KNOWN_WEIGHT * F.l1_loss(border, alpha)
    matte = matte + F.l1_loss(image * predicted.matte, image * alpha)
    matte = matte + _KNOWN_WEIGHT * F.l1_loss(image * border, image * alpha)
    return {
        "semantic": _SEMANTIC_SCALE * semantic,
        "detail": _DETAIL_SCALE * detail,
        "matte": matte,
    }


def semantic_losses(semantic: Tensor, alpha: Tensor) -> dict[str, Tensor]:
    """The semantic term, and a cross-entropy, which weighs more where the network is surely wrong.

    Args:
        semantic: coarse alpha, N,1,H/16,W/16.
        alpha: the truth, N,1,H,W.
    """
    target = blurred(coarse(alpha))
    return {
        "semantic": _SEMANTIC_SCALE * F.mse_loss(semantic, target),
        "entropy": F.binary_cross_entropy(semantic, target.clamp(0, 1)),
    }


def soc_losses(predicted: Predictions, frozen: Predictions) -> dict[str, Tensor]:
    """The consistency terms on photos without truth, scaled; their sum is the loss.

    Args:
        predicted: of the network that adapts.
        frozen: of its copy from the start of the epoch, without gradient.
    """
    matte = blurred(coarse(predicted.matte))
    semantic = F.mse_loss(predicted.semantic, _cleared(matte)) + F.mse_loss(
        matte, _cleared(predicted.semantic)
    )
    boundaries = soc_boundaries(predicted.matte, predicted.semantic)
    detail = _masked_difference(predicted.detail, frozen.detail, boundaries)
    detail = detail + _masked_difference(predicted.matte, frozen.matte, boundaries)
    return {"semantic": _SOC_SEMANTIC_SCALE * semantic, "detail": detail}


def soc_boundaries(matte: Tensor, semantic: Tensor) -> Tensor:
    """Where the subject's border lies: 0 or 1, N,1,H,W; no gradient."""
    height, width = matte.shape[-2:]
    rough = F.interpolate((semantic > 0.1).float(), scale_factor=16, mode="bilinear")
    subject = array_from_tensor((matte > 0.1).float() * rough)
    side = max(1, int((height + width) / 2 * 0.05))
    kernel = np.ones((side, side), np.uint8)
    # For even sides the two windows lie one pixel apart, as SciPy aligns them.
    after, before = ((side - 1) // 2,) * 2, (side // 2,) * 2
    band = [
        cv2.dilate(plane, kernel, anchor=after) - cv2.erode(plane, kernel, anchor=before)
        for plane in subject[:, 0]
    ]
    return tensor_from_array(np.stack(band) != 0).float().unsqueeze(1).to(matte.device)


def coarse(alpha: Tensor) -> Tensor:
    """N,1,H,W at 1/16, without anti-aliasing as in the reference."""
    return F.interpolate(alpha, scale_factor=1 / 16, mode="bilinear", align_corners=False)


def blurred(x: Tensor) -> Tensor:
    """N,1,H,W under the 3x3 Gaussian of the semantic target; the border is reflected."""
    rows = [[_CORNER, _EDGE, _CORNER], [_EDGE, _CENTRE, _EDGE], [_CORNER, _EDGE, _CORNER]]
    kernel = x.new_tensor(rows)[None, None]
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel)


def _cleared(x: Tensor) -> Tensor:
    """``x`` as a target: without gradient, values up to 0.01 set to 0."""
    target = x.detach()
    return torch.where(target > 0.01, target, torch.zeros_like(target))


def _masked_difference(a: Tensor, b: Tensor, mask: Tensor) -> Tensor:
    """The mean of |a - b| under the mask (0 if empty) for each picture, then over pictures."""
    difference = (mask * (a - b).abs()).sum(dim=(1, 2, 3))
    return (difference / mask.sum(dim=(1, 2, 3)).clamp_min(1)).mean()
