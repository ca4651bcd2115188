"""Pretrained encoders under the names that the networks use, from the names of several projects."""

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
_FLAT, _GROUPED = "features.17.conv.7.weight", "features.17.conv.1.0.weight"
_FIRST = "backbone.features.0.0.weight"
_DEEPLAB_ASPP, _LOW_LEVEL_BLOCKS = "classifier.classifier.0.", 4
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
        file: a MobileNetV2 in any format that `read_checkpoint` knows, with torchvision's names or
            MODNet's (its published backbone, or a whole MODNet).
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
    """A MobileNetV2 as MODNet's ``features.*``, whose blocks are flat sequences.

    Args:
        state: entries as of `read_encoder`; those of other layers are dropped.

    Raises:
        CheckpointError: there is no MobileNetV2 in ``state``.
    """
    start = _IN_MODNET if any(key.startswith(_IN_MODNET) for key in state) else ""
    found = {
        key.removeprefix(start): value.float() if value.is_floating_point() else value
        for key, value in state.items()
        if key.startswith(f"{start}features.")
    }
    if _FLAT in found:
        return found
    if _GROUPED not in found:
        raise CheckpointError(
            "holds no MobileNetV2 with torchvision's or MODNet's names",
            remedy="give the ImageNet encoder's file, or MODNet's published backbone",
        )
    return {_flat(key): _with_live_variance(key, value) for key, value in found.items()}


def bgmv2_backbone(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A MobileNetV2 for Background Matting V2: ``backbone.*``, and ``aspp.*`` where there is one.

    Its encoder sees 0..1 instead of -1..1, and a plate beside the photo. The plate's filters begin
    as the photo's, halved and of opposite sign: maps show the photo, and where the plate differs.

    Args:
        state: as for `modnet_backbone`; or of DeepLabV3+ on MobileNetV2, with which the paper
            begins (section 4.3): ``backbone.low_level_features.N``,
            ``backbone.high_level_features.N`` and ``classifier.classifier.0.*``.

    Raises:
        CheckpointError: there is no MobileNetV2 in ``state``.
    """
    plain = {_from_deeplab(key): value for key, value in state.items()}
    flat = modnet_backbone({k: v for k, v in plain.items() if not k.startswith("aspp.")})
    found = {
        f"backbone.{_grouped(key)}": value
        for key, value in flat.items()
        if not key.startswith("features.18.")  # its last convolution has no use here
    }
    first = 2 * found[_FIRST]
    context = {k: v.float() for k, v in plain.items() if k.startswith("aspp.")}
    return found | {_FIRST: torch.cat((first, -first / 2), dim=1)} | context


def shm_backbone(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A MobileNetV2 as the encoder of SHM's T-Net, ``head_conv`` and on.

    This encoder sees BGR in -0.5..0.5. Its first block has one convolution more, which begins as
    the identity. A MODNet's encoder may be given too: it already knows people.

    Args:
        state: as for `modnet_backbone`; what is not of the first 18 blocks is dropped.

    Raises:
        CheckpointError: there is no MobileNetV2 in ``state``.
    """
    found: dict[str, Tensor] = {}
    for key, value in modnet_backbone(state).items():
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


def _with_live_variance(key: str, value: Tensor) -> Tensor:
    """Near-zero running variances raised, which quantised files have in dead channels: rounding
    there would be blown up.
    """
    return value.clamp_min(_LEAST_VARIANCE) if key.endswith("running_var") else value


def _flat(key: str) -> str:
    """``features.2.conv.1.0.weight`` (group 1, its convolution) to ``features.2.conv.3.weight``."""
    found = re.fullmatch(r"(features\.(\d+)\.conv)\.(\d+)(?:\.(\d+))?\.(\w+)", key)
    if found is None:
        return key
    prefix, block, group, inner, name = found.groups()
    if inner is not None:
        return f"{prefix}.{3 * int(group) + int(inner)}.{name}"
    groups = _groups(block)  # the projection: a convolution and its norm, not grouped
    return f"{prefix}.{3 * groups + int(group) - groups}.{name}"


def _grouped(key: str) -> str:
    """What `_flat` undoes."""
    found = re.fullmatch(r"(features\.(\d+)\.conv)\.(\d+)\.(\w+)", key)
    if found is None:
        return key
    prefix, block, place, name = found.groups()
    group, inner = divmod(int(place), 3)
    groups = _groups(block)
    inside = f"{group}.{inner}" if group < groups else f"{groups + inner}"
    return f"{prefix}.{inside}.{name}"


def _groups(block: str) -> int:
    """Convolutions before a block's projection, each with its norm and activation."""
    return 1 if block == "1" else 2


def _from_deeplab(key: str) -> str:
    """DeepLabV3+'s name of an entry as the encoder's, or as that of ``aspp``."""
    if key.startswith(_DEEPLAB_ASPP):
        return "aspp." + key.removeprefix(_DEEPLAB_ASPP)
    found = re.fullmatch(r"backbone\.(low|high)_level_features\.(\d+)\.(.+)", key)
    if found is None:
        return key
    level, number, rest = found.groups()
    return f"features.{int(number) + (_LOW_LEVEL_BLOCKS if level == 'high' else 0)}.{rest}"
