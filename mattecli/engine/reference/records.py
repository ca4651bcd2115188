"""What goes into a published script and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from mattecli.records import Array

__all__ = ["ReferenceInput", "ReferenceResult", "device_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceInput:
    """One photo as its decoder gave it, and what belongs to it; all uint8.

    Attributes:
        color: H,W,3 RGB.
        trimap: H,W; 0, 128, 255.
        background: the plate, H,W,3 RGB.
        mask: rough subject mask, H,W, 0..255.
    """

    color: Array
    trimap: Array | None = None
    background: Array | None = None
    mask: Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReferenceResult:
    """What a published script writes, to the level; all uint8.

    Attributes:
        alpha: H,W.
        foreground: H,W,3 RGB, where the script has one.
    """

    alpha: Array
    foreground: Array | None = None


def device_of(network: nn.Module) -> torch.device:
    """Where the network's weights are."""
    return next(network.parameters()).device
