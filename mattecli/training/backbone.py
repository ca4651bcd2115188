"""Pretrained encoders under the names that the networks use."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from mattecli.errors import CheckpointError
from mattecli.models.checkpoint import read_checkpoint

__all__ = ["bgmv2_backbone", "modnet_backbone", "read_encoder", "shm_backbone"]

_LEAST_VARIANCE = 1e-3
_IN_MODNET = "backbone.model."
_SHM_BLOCKS = {
    first + index: f"block_{block}.{index}"
    for block, first, count in ((2, 2, 2), (3, 4, 3), (4, 7, 4), (5, 11, 3), (6, 14, 3))
    for index in range(count)
} | {17: "block_7"}
"""SHM's block for each of MobileNetV2's, by number."""


def read_encoder(
    file: Path, renamed: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
) -> dict[str, Tensor]:
    """The encoder in a file, under a network's names.

    Args:
        file: a MobileNetV2 with torchvision's names, in any format that `read_checkpoint` knows.
        renamed: takes the file's entries to the network's names: one of the functions below.

    Raises:
        CheckpointError: the file is damaged, or holds something else.
    """
    try:
        return renamed(read_checkpoint(file).state)
    except CheckpointError as error:
        error.path = file
        raise


def modnet_backbone(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A MobileNetV2 in torchvision's names as MODNet's ``features.*``.

    torchvision groups convolution, norm and activation; MODNet's blocks are one flat sequence.
    Near-zero running variances, which quantised files have in dead channels, are raised so that
    rounding there is not blown up.

    Args:
        state: ``features.N.*``; a classifier's entries are dropped.
    """
    return {_renamed(key): value for key, value in _features(state).items()}


def bgmv2_backbone(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A MobileNetV2 in torchvision's names for the encoder of Background Matting V2.

    This encoder sees 0..1 instead of -1..1, and a plate beside the photo. The plate's filters begin
    as the photo's, halved and of opposite sign: maps show the photo, and where the plate differs.

    Args:
        state: ``features.N.*``; the last convolution's and a classifier's entries are dropped.
    """
    features = {k: v for k, v in _features(state).items() if not k.startswith("features.18.")}
    first = 2 * features["features.0.0.weight"]
    return features | {"features.0.0.weight": torch.cat((first, -first / 2), dim=1)}


def shm_backbone(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A MobileNetV2 in torchvision's names as the encoder of SHM's T-Net, ``head_conv`` and on.

    This encoder sees BGR in -0.5..0.5. Its first block has one convolution more, which begins as
    the identity. A MODNet's encoder may be given too: it already knows people.

    Args:
        state: ``features.N.*``, or a whole MODNet; what is not of the encoder's first 18 blocks is
            dropped.
    """
    theirs = {k.removeprefix(_IN_MODNET): v for k, v in state.items() if k.startswith(_IN_MODNET)}
    flat = _features(theirs, "features.17.conv.7.weight") if theirs else modnet_backbone(state)
    found: dict[str, Tensor] = {}
    for key, value in flat.items():
        _, number, rest = key.split(".", 2)
        index = int(number)
        if index == 0:
            found[f"head_conv.{rest}"] = value
        elif index == 1:
            _, place, name = rest.split(".")
            found[f"block_1.conv.{int(place) + 3}.{name}"] = value
        elif index in _SHM_BLOCKS:
            found[f"{_SHM_BLOCKS[index]}.{rest}"] = value
    found["head_conv.0.weight"] = 2 * found["head_conv.0.weight"].flip(1)
    channels = found["head_conv.0.weight"].shape[0]
    found["block_1.conv.0.weight"] = torch.eye(channels)[..., None, None]
    return found


def _features(
    state: Mapping[str, Tensor], last: str = "features.17.conv.3.weight"
) -> dict[str, Tensor]:
    """The encoder's entries, float32.

    Raises:
        CheckpointError: there is no MobileNetV2 in ``state``.
    """
    found = {k: v for k, v in state.items() if k.startswith("features.")}
    if not {"features.0.0.weight", last} <= found.keys():
        raise CheckpointError(
            "holds no MobileNetV2 with torchvision's names",
            remedy="give the ImageNet encoder's file",
        )
    floats = {k: v.float() if v.is_floating_point() else v for k, v in found.items()}
    return {
        key: value.clamp_min(_LEAST_VARIANCE) if key.endswith("running_var") else value
        for key, value in floats.items()
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
