"""Pretrained encoders under the names that the networks use."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

__all__ = ["modnet_backbone"]

_LEAST_VARIANCE = 1e-3


def modnet_backbone(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A MobileNetV2 in torchvision's names as MODNet's ``features.*``.

    torchvision groups convolution, norm and activation; MODNet's blocks are one flat sequence.
    Near-zero running variances, which quantised files have in dead channels, are raised so that
    rounding there is not blown up.

    Args:
        state: ``features.N.*``; a classifier's entries are dropped.
    """
    renamed = {
        _renamed(key): value.float() if value.is_floating_point() else value
        for key, value in state.items()
        if key.startswith("features.")
    }
    return {
        key: value.clamp_min(_LEAST_VARIANCE) if key.endswith("running_var") else value
        for key, value in renamed.items()
    }


def _renamed(key: str) -> str:
    """``features.2.conv.1.0.weight`` (group 1, its convolution) to ``features.2.conv.3.weight``."""
    found = re.fullmatch(r"(features\.(\d+)\.conv)\.(\d+)(?:\.(\d+))?\.(\w+)", key)
    if found is None:
        return key
    prefix, _, group, inner, name = found.groups()
    place = 3 * int(group) + int(inner) if inner is not None else None
    if place is None:  # the projection: a convolution and its norm, not grouped
        groups = 1 if found.group(2) == "1" else 2
        place = 3 * groups + int(group) - groups
    return f"{prefix}.{place}.{name}"
