"""The test scripts of the two Deep Image Matting re-implementations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
import torch

from mattecli.engine.reference.records import ReferenceInput, ReferenceResult, device_of
from mattecli.errors import InputError, TrimapError
from mattecli.models.base import MattingModel, ModelInput
from mattecli.models.dim import DIM
from mattecli.models.dim_segnet import DIMSegNet
from mattecli.ops.pixels import Float32, batch_from_image, image_from_tensor, truncated_levels
from mattecli.ops.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from mattecli.records import Array, Size

__all__ = ["VGGScript", "dim_reference", "dim_segnet_reference"]

_SQUARE = Size(320, 320)


@dataclass(frozen=True, slots=True, kw_only=True)
class VGGScript:
    """How the VGG project's script meets the network's size rule.

    Attributes:
        method: ``whole`` rounds each side down to a multiple of 32, ``resize`` takes ``size``,
            ``crop`` computes tiles of ``size`` without overlap, those with unknown pixels only.
        max_size: upper limit of each side alone for ``whole``; a multiple of 32.
        size: for ``resize`` and ``crop``; multiples of 32.
    """

    method: Literal["whole", "resize", "crop"] = "whole"
    max_size: int = 1600
    size: Size = _SQUARE


def dim_reference(
    network: DIM,
    inputs: ReferenceInput,
    script: VGGScript = VGGScript(),
) -> ReferenceResult:
    """The VGG project's test script.

    Args:
        network: in evaluation mode; its refined alpha is used where it has one.
        inputs: ``color`` and ``trimap``.
        script: how the size rule is met.

    Raises:
        TrimapError: there is no trimap.
        InputError: a side is shorter than 32 pixels (``whole``).
    """
    trimap = _trimap_of(inputs)
    if script.method == "crop":
        alpha = _by_tiles(network, inputs.color, trimap, script.size)
    else:
        seen = script.size if script.method == "resize" else _whole(inputs.color, script.max_size)
        alpha = _at_size(network, inputs.color, trimap, seen)
    return ReferenceResult(alpha=_with_known_pixels(alpha, trimap))


def dim_segnet_reference(network: DIMSegNet, inputs: ReferenceInput) -> ReferenceResult:
    """The SegNet project's evaluation script: the whole picture as it is.

    Args:
        network: in evaluation mode.
        inputs: ``color`` and ``trimap``, at least 32x32.

    Raises:
        TrimapError: there is no trimap.
        InputError: a side is shorter than 32 pixels.
    """
    trimap = _trimap_of(inputs)
    if min(trimap.shape) < 32:
        raise _too_small(Size.of(trimap))
    return ReferenceResult(alpha=_with_known_pixels(_alpha(network, inputs.color, trimap), trimap))


def _by_tiles(network: DIM, color: Array, trimap: Array, tile: Size) -> Float32:
    alpha = np.zeros(trimap.shape, np.float32)
    for area in _tiles(Size.of(trimap), tile):
        if (trimap[area] == UNKNOWN).any():
            alpha[area] = _at_size(network, color[area], trimap[area], tile)
    return alpha


def _tiles(size: Size, tile: Size) -> Iterator[tuple[slice, slice]]:
    for top in range(0, size.height, tile.height):
        for left in range(0, size.width, tile.width):
            yield slice(top, top + tile.height), slice(left, left + tile.width)


def _at_size(network: DIM, color: Array, trimap: Array, size: Size) -> Float32:
    """Both inputs resized as 8-bit pixels (the trimap gets values between), alpha resized back."""
    alpha = _alpha(network, cv2.resize(color, size), cv2.resize(trimap, size))
    return cv2.resize(alpha, Size.of(color)).astype(np.float32, copy=False)


def _alpha(network: MattingModel, color: Array, trimap: Array) -> Float32:
    device = device_of(network)
    inputs = ModelInput(
        src=batch_from_image(color, device), trimap=batch_from_image(trimap, device)
    )
    with torch.inference_mode():
        return image_from_tensor(network.estimate(inputs).pha[0])


def _whole(color: Array, max_size: int) -> Size:
    size = Size.of(color)
    if min(size) < 32:
        raise _too_small(size)
    return Size(*(min(max_size, side - side % 32) for side in size))


def _with_known_pixels(alpha: Float32, trimap: Array) -> Array:
    known = np.where(trimap == FOREGROUND, np.float32(1), alpha)
    return truncated_levels(np.where(trimap == BACKGROUND, np.float32(0), known))


def _trimap_of(inputs: ReferenceInput) -> Array:
    if inputs.trimap is None:
        raise TrimapError("Deep Image Matting needs a trimap", remedy="give --trimap")
    return inputs.trimap


def _too_small(size: Size) -> InputError:
    return InputError(
        f"the published script cannot take a size of {size}", remedy="leave out --reference"
    )
