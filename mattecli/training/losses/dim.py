"""Deep Image Matting's losses.

Xu et al., CVPR 2017, section 3.2: alpha prediction and compositional loss over the unknown region,
in the forms of two reimplementations, whose constants differ. Alpha is N,1,H,W, 0..1; ``unknown``
is N,1,H,W, 1 where the trimap is unknown, else 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

__all__ = [
    "Composition",
    "alpha_loss",
    "composition_loss",
    "joint_loss",
    "segnet_loss",
    "stage0_loss",
    "stage1_loss",
]

_EPSILON = 1e-12  # the paper's 1e-6, squared


@dataclass(frozen=True, slots=True)
class Composition:
    """A composed picture and what it was made of: N,3,H,W each, 0..255."""

    image: Tensor
    foreground: Tensor
    background: Tensor


def segnet_loss(predicted: Tensor, alpha: Tensor, unknown: Tensor) -> Tensor:
    """The alpha loss of the network without refinement (`dim:segnet`), for those who train it.

    The mask comes before the root, so that each known pixel adds 1e-6; without an unknown pixel
    the loss is the number of pixels, without a useful gradient.
    """
    return _length((predicted - alpha) * unknown).sum() / (unknown.sum() + 1e-6)


def stage0_loss(raw: Tensor, alpha: Tensor, unknown: Tensor) -> Tensor:
    """The alpha loss of stage 0.

    The mask comes before the root, so that each known pixel adds 1e-6 to the sum.
    """
    return _length(unknown * (raw - alpha)).sum() / (unknown.sum() + 1)


def alpha_loss(predicted: Tensor, alpha: Tensor, unknown: Tensor) -> Tensor:
    """The alpha loss of the other stages (equation 1); for stage 2 on the refined alpha."""
    return (unknown * _length(predicted - alpha)).sum() / (unknown.sum() + 1)


def composition_loss(raw: Tensor, made_of: Composition, unknown: Tensor) -> Tensor:
    """How far the picture composed with the prediction is from the true one (equation 2)."""
    composed = raw * made_of.foreground + (1 - raw) * made_of.background
    difference = unknown * _length(composed - made_of.image) / 255
    return difference.sum() / (unknown.sum() + 1) / 3


def stage1_loss(raw: Tensor, alpha: Tensor, made_of: Composition, unknown: Tensor) -> Tensor:
    """Alpha and compositional loss of the encoder-decoder, half of each (equation 3)."""
    return 0.5 * alpha_loss(raw, alpha, unknown) + 0.5 * composition_loss(raw, made_of, unknown)


def joint_loss(stage1: Tensor, refined: Tensor, alpha: Tensor, unknown: Tensor) -> Tensor:
    """Stage 3: the loss of stage 1, and the alpha loss on the refined alpha."""
    return stage1 + alpha_loss(refined, alpha, unknown)


def _length(x: Tensor) -> Tensor:
    return torch.sqrt(x.square() + _EPSILON)
