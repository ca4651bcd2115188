"""Semantic Human Matting's losses.

Chen et al., ACM MM 2018, arXiv 1809.01354, sections 4.3 and 5.1, with the reference's constants:
no mask, and the input picture in place of foreground and background.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the usual name

__all__ = ["alpha_loss", "composition_loss", "end_to_end_loss", "trimap_loss"]

_EPSILON = 1e-6
_TRIMAP_WEIGHT = 0.01


def trimap_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Cross entropy of the trimap, the mean over pixels.

    Args:
        logits: N,3,H,W.
        classes: N,1,H,W; 0 background, 1 unknown, 2 foreground, any number type.
    """
    return F.cross_entropy(logits, classes[:, 0].long())


def alpha_loss(predicted: Tensor, alpha: Tensor) -> Tensor:
    """The mean absolute difference, smooth at 0; N,1,H,W each, 0..1."""
    return _length(predicted - alpha).mean()


def composition_loss(predicted: Tensor, alpha: Tensor, image: Tensor) -> Tensor:
    """The same of the picture cut out with either alpha.

    Args:
        predicted: N,1,H,W.
        alpha: N,1,H,W.
        image: as the network saw it, N,3,H,W.
    """
    return _length(alpha * image - predicted * image).mean()


def end_to_end_loss(prediction: Tensor, trimap: Tensor) -> Tensor:
    """Prediction loss (the mean of alpha and composition loss) and some of the trimap loss."""
    return prediction + _TRIMAP_WEIGHT * trimap


def _length(x: Tensor) -> Tensor:
    return torch.sqrt(x.square() + _EPSILON)
