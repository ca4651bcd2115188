"""MODNet's image and video demos."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.engine.reference.records import ReferenceInput, ReferenceResult, device_of
from mattecli.errors import InputError
from mattecli.models.modnet import MODNet
from mattecli.ops.pixels import batch_from_image, image_from_tensor, truncated_levels
from mattecli.records import Array, Size

__all__ = ["modnet_reference", "modnet_reference_video"]

_SIDE = 512


def modnet_reference(network: MODNet, inputs: ReferenceInput) -> ReferenceResult:
    """The image demo: normalise, shrink by area averaging, network, enlarge, truncate.

    Args:
        network: in evaluation mode.
        inputs: ``color`` may also be H,W (grey) or H,W,4, whose alpha is ignored.

    Raises:
        InputError: one side is shorter than 32 pixels and the other at least 512.
    """
    color = _three_channels(inputs.color)
    size = Size.of(color)
    keeps_size = max(size) >= _SIDE and min(size) <= _SIDE
    seen = _whole_32(size if keeps_size else _short_side_512(size))
    with torch.inference_mode():
        image = network.normalise(batch_from_image(color, device_of(network)))
        matte = network(_resize_by_area(image, seen)).matte
        alpha = image_from_tensor(_resize_by_area(matte, size)[0])
    return ReferenceResult(alpha=truncated_levels(alpha))


def modnet_reference_video(
    network: MODNet, frames: Iterable[Array], result: Literal["matte", "foreground"] = "matte"
) -> Iterator[Array]:
    """The custom video demo, frame by frame.

    Args:
        network: in evaluation mode.
        frames: uint8, H,W,3 RGB, all of one size.
        result: the matte as grey RGB, or the subject over white; both pass through the network's
            size.

    Yields:
        uint8, H,W,3 RGB, as handed to the encoder.
    """
    for frame in frames:
        size = Size.of(frame)
        small = cv2.resize(frame, _whole_32(_short_side_512(size)))
        with torch.inference_mode():
            image = network.normalise(batch_from_image(small, device_of(network)))
            matte = image_from_tensor(network(image).matte[0]).astype(np.float64)[..., None]
        shown = matte * 255 if result == "matte" else matte * small + (1 - matte) * 255
        yield cv2.resize(np.broadcast_to(shown, small.shape).astype(np.uint8), size)


def _three_channels(image: Array) -> Array:
    if image.ndim == 2:
        return np.repeat(image[..., None], 3, axis=2)
    return np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image[..., :3]


def _short_side_512(size: Size) -> Size:
    if size.width >= size.height:
        return Size(int(size.width / size.height * _SIDE), _SIDE)
    return Size(_SIDE, int(size.height / size.width * _SIDE))


def _whole_32(size: Size) -> Size:
    seen = Size(size.width - size.width % 32, size.height - size.height % 32)
    if min(seen) == 0:
        raise InputError(
            f"MODNet's own script cannot take a size of {size}", remedy="leave out --reference"
        )
    return seen


def _resize_by_area(x: Tensor, size: Size) -> Tensor:
    return F.interpolate(x, size=(size.height, size.width), mode="area")
