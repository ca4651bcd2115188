"""Background Matting V2's image script."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.engine.reference.channel_sums import channels_in_order
from mattecli.engine.reference.records import ReferenceInput, ReferenceResult, device_of
from mattecli.errors import InputError
from mattecli.models.bgmv2 import BGMv2, BGMv2Output, RefineOptions
from mattecli.models.parts.mobilenetv2_dilated import DilatedMobileNetV2
from mattecli.ops.pixels import batch_from_image, image_from_tensor, truncated_levels
from mattecli.records import Array, Size

__all__ = [
    "SCRIPT_OPTIONS",
    "BGMv2Pictures",
    "as_published",
    "bgmv2_pictures",
    "bgmv2_reference",
]

SCRIPT_OPTIONS = RefineOptions(threshold=0.7)
"""The script's defaults, at any size: scale 0.25, 80,000 pixels."""


@dataclass(frozen=True, slots=True)
class BGMv2Pictures:
    """What the script hands to its image writer; uint8, of the photo's size.

    Attributes:
        com: the cut-out, H,W,4: foreground where alpha is not 0 (else 0), and alpha.
        fgr: foreground, H,W,3 RGB.
        err: expected error, H,W.
        ref: 255 for refined cells, H,W; None without a refiner.
    """

    com: Array
    fgr: Array
    err: Array
    ref: Array | None


def bgmv2_reference(network: BGMv2, inputs: ReferenceInput) -> ReferenceResult:
    """The script's cut-out, refined as ``network.options`` say, else by its defaults.

    Args:
        network: in evaluation mode.
        inputs: with background.

    Raises:
        InputError: the plate is missing or of another size, or a side is no multiple of 4.
    """
    com = bgmv2_pictures(network, inputs).com
    return ReferenceResult(alpha=com[..., 3].copy(), foreground=com[..., :3].copy())


def bgmv2_pictures(network: BGMv2, inputs: ReferenceInput) -> BGMv2Pictures:
    """All pictures of the script; arguments and errors as for `bgmv2_reference`."""
    background, size = inputs.background, Size.of(inputs.color)
    if background is None:
        raise InputError("Background Matting V2's script needs a background plate")
    multiple = 1 if network.refiner is None else 4
    if Size.of(background) != size or any(side % multiple for side in size):
        raise InputError(
            f"Background Matting V2's script takes sides that are multiples of {multiple}, "
            "and a plate of the photo's size",
            remedy="leave out --reference",
        )
    device = device_of(network)
    with torch.inference_mode(), as_published(network):
        src, bgr = batch_from_image(inputs.color, device), batch_from_image(background, device)
        out: BGMv2Output = network(src, bgr, network.options or network.options_for(SCRIPT_OPTIONS))
        shape = (size.height, size.width)
        err = F.interpolate(out.err_sm, shape, mode="bilinear", align_corners=False)
        ref = None if out.ref_sm is None else _levels(F.interpolate(out.ref_sm, shape))
        com = torch.cat((out.fgr * (out.pha != 0), out.pha), dim=1)
        return BGMv2Pictures(com=_levels(com), fgr=_levels(out.fgr), err=_levels(err), ref=ref)


def as_published(network: BGMv2) -> AbstractContextManager[None]:
    """While entered, ``network`` gives the published numbers to the last digit that they have.

    Alphas need no such help. But maps inside the MobileNetV2 variant reach 13, after sums of up to
    960 channels; how these are grouped changes the maps by 4e-5 from one machine to the next.
    """
    wide_sums = isinstance(network.backbone, DilatedMobileNetV2)
    return channels_in_order(network) if wide_sums else nullcontext()


def _levels(batch: Tensor) -> Array:
    return truncated_levels(image_from_tensor(batch[0]))
