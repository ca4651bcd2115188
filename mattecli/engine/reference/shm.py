"""The camera demo of the light SHM re-implementation."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from mattecli.engine.reference.records import ReferenceInput, ReferenceResult, device_of
from mattecli.models.shm import SHM
from mattecli.ops.pixels import Float32, batch_from_image, image_from_tensor, truncated_levels
from mattecli.records import Array, Size

__all__ = ["shm_reference", "shm_reference_alpha", "shm_reference_frame"]

_SIDE = 256


def shm_reference(network: SHM, inputs: ReferenceInput, side: int = _SIDE) -> ReferenceResult:
    """The demo: the alpha that it only shows, clipped and truncated.

    Args:
        network: in evaluation mode.
        inputs: ``color``.
        side: of the square that the network sees.
    """
    alpha = shm_reference_alpha(network, inputs.color, side)
    return ReferenceResult(alpha=truncated_levels(alpha))


def shm_reference_alpha(network: SHM, color: Array, side: int = _SIDE) -> Float32:
    """A square of the photo (cubic, aspect ratio not kept), network, cubic resize back.

    Args:
        network: in evaluation mode.
        color: uint8, H,W,3 RGB.
        side: of the square.

    Returns:
        H,W, not clipped.
    """
    square = cv2.resize(color, (side, side), interpolation=cv2.INTER_CUBIC)
    with torch.inference_mode():
        src = batch_from_image(square, device_of(network))
        alpha = image_from_tensor(network(network.normalise(src.flip(1))).alpha_p[0])
    enlarged = cv2.resize(alpha, Size.of(color), interpolation=cv2.INTER_CUBIC)
    return enlarged.astype(np.float32, copy=False)


def shm_reference_frame(color: Array, alpha: Float32) -> Array:
    """The picture that the demo shows: the subject over its own grey surroundings.

    Args:
        color: uint8, H,W,3 RGB.
        alpha: H,W, not clipped.

    Returns:
        uint8, H,W,3 RGB.
    """
    share = alpha[..., None]
    grey = cv2.cvtColor((1 - share) * color, cv2.COLOR_RGB2GRAY)
    grey = grey.astype(np.int32).astype(np.uint8)  # truncated; negative values wrap
    shown = np.clip(share * color + grey[..., None], 0, 255)
    levels: Array = shown.astype(np.uint8)
    return levels
