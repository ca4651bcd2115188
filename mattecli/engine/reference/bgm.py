"""Background Matting's image script."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor

from mattecli.engine.reference.records import ReferenceInput, ReferenceResult, device_of
from mattecli.errors import InputError
from mattecli.models.bgm import BGM, OPAQUE, BGMOutput
from mattecli.ops.pixels import (
    Float32,
    batch_from_image,
    image_from_tensor,
    to_float,
    truncated_levels,
)
from mattecli.ops.segmentation import Box, crop, extent, largest_component, opened_mask, uncrop
from mattecli.records import Array, Size

__all__ = [
    "GREEN",
    "BGMScriptInput",
    "bgm_composite",
    "bgm_finish",
    "bgm_prepare",
    "bgm_reference",
]


GREEN = (120, 255, 155)
"""The colour behind the picture that the script calls matte; RGB."""

_SIDE = 512
_REPEATED_ROWS = 25
_LOWER_HALF = 250  # empty rows above this one stay


@dataclass(frozen=True, slots=True)
class BGMScriptInput:
    """What the script feeds its network: 512x512 pixels around the subject, uint8.

    Attributes:
        box: where they are from.
        image, back: H,W,3 RGB.
        seg: prepared mask, H,W.
    """

    box: Box
    image: Array
    back: Array
    seg: Array


def bgm_reference(network: BGM, inputs: ReferenceInput) -> ReferenceResult:
    """The script: box, prepared mask, network at 512x512, largest region, paste back.

    Args:
        network: in evaluation mode.
        inputs: with background (of the photo's size) and mask.

    Raises:
        InputError: plate or mask is missing, of another size or empty; nothing was found.
    """
    seen = bgm_prepare(inputs)
    device = device_of(network)

    def signed(image: Array) -> Tensor:
        return 2 * batch_from_image(image, device) - 1

    with torch.inference_mode():
        out: BGMOutput = network(signed(seen.image), signed(seen.back), signed(seen.seg))
    alpha, fg = image_from_tensor(out.alpha[0]), image_from_tensor(out.fg[0])
    return bgm_finish(seen, alpha, fg, Size.of(inputs.color))


def bgm_prepare(inputs: ReferenceInput) -> BGMScriptInput:
    """The part of the script before the network.

    Raises:
        InputError: plate or mask is missing, of another size or empty.
    """
    if inputs.background is None or inputs.mask is None:
        raise InputError("Background Matting's script needs a background plate and a mask")
    size = Size.of(inputs.color)
    if not Size.of(inputs.background) == Size.of(inputs.mask) == size:
        raise InputError(
            "Background Matting's script takes plate and mask at the photo's size only",
            remedy="leave out --reference",
        )
    box = _box(inputs.mask)

    def seen(image: Array) -> Array:
        return cv2.resize(crop(image, box), (_SIDE, _SIDE))

    return BGMScriptInput(box, seen(inputs.color), seen(inputs.background), _seg(seen(inputs.mask)))


def bgm_finish(seen: BGMScriptInput, alpha: Float32, fg: Float32, size: Size) -> ReferenceResult:
    """The part of the script after the network.

    Args:
        seen: what the network was given.
        alpha: its alpha, H,W, -1..1.
        fg: its foreground, H,W,3 RGB, not limited.
        size: of the photo.

    Raises:
        InputError: the network found nothing.
    """
    image = 2 * (seen.image / np.float32(255)) - 1
    fg = np.where((alpha > OPAQUE)[..., None], image, fg)
    share = np.clip((alpha + 1) / 2, 0, 1)
    region = largest_component(share, 0.05)
    if not region.any():
        raise InputError("Background Matting found no subject")
    alpha8 = truncated_levels(np.where(region, share, 0))
    fg8 = truncated_levels(np.clip((fg + 1) / 2, 0, 1))
    fg8[alpha8 / 255 <= 0.01] = 0
    return ReferenceResult(
        alpha=uncrop(alpha8, seen.box, size), foreground=uncrop(fg8, seen.box, size)
    )


def bgm_composite(result: ReferenceResult, background: Array) -> Array:
    """The script's composites: over a target background, or over `GREEN`.

    Args:
        result: of the script.
        background: uint8, H,W,3 RGB of any size.

    Returns:
        uint8, H,W,3 RGB of the photo's size.
    """
    assert result.foreground is not None  # the script always writes one
    back = cv2.resize(background, Size.of(result.alpha))
    share = result.alpha[..., None] / 255
    levels: Array = (share * result.foreground + (1 - share) * back).astype(np.uint8)
    return levels


def _box(mask: Array) -> Box:
    """A square from the subject's top left corner on; last row and column are never used."""
    subject = extent(mask)
    side = max(subject.height, subject.width) - 1
    top, left = subject.top - 0.1 * side, subject.left - 0.1 * side
    bottom, right = subject.top + 1.1 * side, subject.left + 1.1 * side
    height, width = mask.shape
    top, left = max(top, 0), max(left, 0)
    bottom = height - 1 if bottom >= height else bottom
    right = width - 1 if right >= width else right
    return Box(round(top), round(left), round(bottom - top), round(right - left))


def _seg(mask: Array) -> Array:
    """The prepared mask: extended down to the bottom, then eroded, dilated and blurred."""
    share = mask / np.float32(255)
    share[share > 0.2] = 1
    empty = np.flatnonzero(share.sum(axis=1) == 0)
    empty = empty[empty > _LOWER_HALF]
    if len(empty):
        removed = np.concatenate(([empty[0] - 2, empty[0] - 1], empty))
        share = np.delete(share, removed, axis=0)
    missing = _SIDE + _REPEATED_ROWS - len(share)
    share = np.concatenate((share, np.repeat(share[-1:], missing, axis=0)))
    return truncated_levels(opened_mask(to_float(share), cv2.BORDER_REFLECT_101))[:_SIDE]
