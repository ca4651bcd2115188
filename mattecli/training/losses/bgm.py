"""Background Matting's losses: supervised, and self-supervised with a discriminator.

Sengupta et al., CVPR 2020, arXiv 2004.00626, section 3. All tensors are -1..1, alpha included:
alpha and masks N,1,H,W, colours N,3,H,W. Constants of the reference.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the usual name

__all__ = [
    "SELF_WEIGHT",
    "Layers",
    "adversarial_loss",
    "composed",
    "discriminator_losses",
    "paste_opaque",
    "self_supervised_losses",
    "shift_range",
    "shifted_composite",
    "supervised_losses",
]

SELF_WEIGHT = 0.05
"""Weight of the self-supervised terms beside the adversarial one; the phase lowers it further."""

_OPAQUE = 0.95  # where alpha is larger the picture itself is the foreground
_MARGIN = 10  # columns of a subject that stay in the picture when it is shifted


@dataclass(frozen=True, slots=True)
class Layers:
    """Alpha and foreground colours."""

    alpha: Tensor
    foreground: Tensor


def supervised_losses(
    predicted: Layers, true: Layers, image: Tensor, background: Tensor
) -> dict[str, Tensor]:
    """The four weighted terms on synthetic composites (equation 1); their sum is the loss.

    Args:
        predicted: of the network.
        true: what the picture was composed of.
        image: N,3,H,W.
        background: the true one, N,3,H,W, not the disturbed one that the network sees.
    """
    everywhere = torch.ones_like(true.alpha)
    seen = (true.alpha > -0.99).to(image.dtype)
    pasted = Layers(predicted.alpha, paste_opaque(predicted, image))
    return {
        "alpha_l1": _l1(true.alpha, predicted.alpha, everywhere),
        "fg_l1": 2 * _l1(true.foreground, predicted.foreground, seen),
        "comp": _l1(image, composed(pasted, background), everywhere),
        "alpha_grad": _gradient_l1(true.alpha, predicted.alpha, everywhere),
    }


def self_supervised_losses(
    predicted: Layers, teacher: Layers, image: Tensor, background: Tensor, subject: Tensor
) -> dict[str, Tensor]:
    """The three terms on captured pictures (section 3.2), to be weighted by ``SELF_WEIGHT``.

    Args:
        predicted: of the network that learns.
        teacher: of the frozen supervised network.
        image: N,3,H,W.
        background: the captured one, N,3,H,W.
        subject: the segmentation, N,1,H,W.
    """
    everywhere = torch.ones_like(predicted.alpha)
    alpha = _l1(teacher.alpha, predicted.alpha, everywhere)
    alpha = alpha + 0.5 * _gradient_l1(teacher.alpha, predicted.alpha, everywhere)
    seen = (teacher.alpha > -0.98).to(image.dtype)
    inside = (subject > _OPAQUE).to(image.dtype)
    return {
        "comp": _l1(image, composed(predicted, background), inside),
        "alpha": alpha,
        "fg_l1": _l1(teacher.foreground, predicted.foreground, seen),
    }


def adversarial_loss(verdict: Tensor) -> Tensor:
    """The generator's loss: the mean squared difference of the discriminator's map from 1."""
    return (verdict - 1).square().mean()


def discriminator_losses(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """Least squares on the maps of true (1) and composed (0) pictures; their sum is the loss."""
    return {"d_real": 0.5 * (real - 1).square().mean(), "d_fake": 0.5 * fake.square().mean()}


def paste_opaque(predicted: Layers, image: Tensor) -> Tensor:
    """The foreground, replaced by the picture where alpha is above 0.95."""
    return torch.where(predicted.alpha > _OPAQUE, image, predicted.foreground)


def composed(layers: Layers, background: Tensor) -> Tensor:
    """The foreground over a background."""
    share = (layers.alpha + 1) / 2
    return layers.foreground * share + (1 - share) * background


def shifted_composite(
    predicted: Layers, image: Tensor, background: Tensor, shift: Tensor
) -> Tensor:
    """What the discriminator judges: each subject moved sideways, cyclically, over a background.

    Gradients reach the prediction; the released code cuts them off.

    Args:
        predicted: of the network that learns.
        image: N,3,H,W.
        background: not the picture's own, N,3,H,W.
        shift: columns to the right, N, whole numbers.
    """
    front = paste_opaque(predicted, image)
    moved = [
        (alpha.roll(int(by), dims=-1), color.roll(int(by), dims=-1))
        for alpha, color, by in zip(predicted.alpha, front, shift, strict=True)
    ]
    alphas, colors = zip(*moved, strict=True)
    return composed(Layers(torch.stack(alphas), torch.stack(colors)), background)


def shift_range(subject: Tensor) -> range:
    """The shifts that keep some of a subject in the picture.

    Args:
        subject: prepared segmentation, 1,H,W, 0..1.

    Returns:
        An empty range if the subject is as wide as the picture, or absent.
    """
    columns = torch.nonzero((subject[0] > 0.1).any(dim=0))[:, 0].tolist()
    if not columns:
        return range(0)
    width = subject.shape[-1]
    return range(-(columns[0] - _MARGIN), width - columns[-1] - _MARGIN)


def _l1(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """The mean difference under the mask of each picture, then the mean over pictures."""
    sums = (x * mask - y * mask).abs().sum(dim=(1, 2, 3))
    return (sums / (mask.sum(dim=(1, 2, 3)) + 1e-6)).mean()


def _gradient_l1(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    slopes_x, slopes_y = _sobel(x), _sobel(y)
    across, down = (_l1(slopes_x[:, i : i + 1], slopes_y[:, i : i + 1], mask) for i in (0, 1))
    return across + down


def _sobel(x: Tensor) -> Tensor:
    """Both slopes, N,2,H,W, not normalised; zeros around."""
    rows = x.new_tensor([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    return F.conv2d(x, torch.stack((rows, rows.T)).unsqueeze(1), padding=1)
