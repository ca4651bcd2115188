"""Background Matting's cases."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np
import torch

from mattecli.engine.reference import ReferenceInput, ReferenceResult
from mattecli.engine.reference.bgm import (
    GREEN,
    BGMScriptInput,
    bgm_composite,
    bgm_finish,
    bgm_prepare,
    bgm_reference,
)
from mattecli.models.bgm import BGM, BGMOutput
from mattecli.ops.segmentation import crop
from mattecli.records import Size
from parity.core import Array, Case, Fixture, Outputs, UnknownKindError


def compute(case: Case) -> Outputs:
    match case.kind:
        case "tensor":
            return _tensor(case)
        case "pipeline":
            return _pipeline(case)
        case "image":
            return _image(case)
    raise UnknownKindError(case)


@lru_cache(maxsize=1)
def _network(fixture: Fixture) -> BGM:
    return BGM.from_state(fixture.state()).eval()


@torch.inference_mode()
def _tensor(case: Case) -> Outputs:
    given = case.inputs
    output = _network(case.fixture)(*(_signed(given[name]) for name in ("image", "back", "seg")))
    return {"alpha": output.alpha.numpy(), "fg": output.fg.numpy()}


def _signed(image: Array) -> torch.Tensor:
    planes = np.atleast_3d(image).transpose(2, 0, 1)[None]
    return 2 * torch.from_numpy(planes.copy()).float() / 255 - 1


def _pipeline(case: Case) -> Outputs:
    given = _script_input(case)
    seen = bgm_prepare(given)
    levels = case.inputs["fg_levels"].repeat(4, axis=0).repeat(4, axis=1)
    result = bgm_finish(
        seen,
        alpha=(case.inputs["alpha_levels"] + np.float32(0.5)) / 128 - 1,
        fg=(levels + np.float32(0.5)) / 128 - 1,
        size=Size.of(given.color),
    )
    before = {
        "net_seg": seen.seg,
        "net_image": seen.image,
        "net_back": seen.back,
        "net_motion": _motion(given.color, seen),
    }
    return before | _written(case, seen, result)


def _image(case: Case) -> Outputs:
    given, network = _script_input(case), _network(case.fixture)
    outputs: list[BGMOutput] = []
    hook = network.register_forward_hook(lambda _module, _args, output: outputs.append(output))
    result = bgm_reference(network, given)
    hook.remove()
    net = {"net_alpha": outputs[0].alpha.numpy(), "net_fg": outputs[0].fg.numpy()}
    return net | _written(case, bgm_prepare(given), result)


def _script_input(case: Case) -> ReferenceInput:
    given = case.inputs
    return ReferenceInput(color=given["image"], background=given["back"], mask=given["seg"])


def _written(case: Case, seen: BGMScriptInput, result: ReferenceResult) -> Outputs:
    box = seen.box
    return {
        "bbox": np.array([box.top, box.left, box.height, box.width]),
        "alpha": result.alpha,
        "fg": result.foreground,
        "compose": bgm_composite(result, case.inputs["target"]),
        "matte": bgm_composite(result, np.full_like(result.foreground, GREEN)),
    }


def _motion(color: Array, seen: BGMScriptInput) -> Array:
    """The script's fourth input, which the network ignores: grey, with red and blue swapped."""
    grey = crop(cv2.cvtColor(color, cv2.COLOR_BGR2GRAY), seen.box).astype(np.float32)
    return np.stack([2 * cv2.resize(grey, seen.seg.shape[::-1]) / 255 - 1] * 4)
