"""Background Matting V2's cases, for any of its encoders."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch

from mattecli.engine.reference import ReferenceInput
from mattecli.engine.reference.bgmv2 import as_published, bgmv2_pictures
from mattecli.models.bgmv2 import BGMv2, RefineOptions
from parity.core import Array, Case, Fixture, Outputs, UnknownKindError

_OPTION_NAMES = {
    "refine_mode": "mode",
    "refine_sample_pixels": "sample_pixels",
    "refine_threshold": "threshold",
    "refine_prevent_oversampling": "prevent_oversampling",
    "backbone_scale": "backbone_scale",
}


def compute(case: Case) -> Outputs:
    match case.kind:
        case "tensor":
            return _tensor(case)
        case "image":
            return _image(case)
    raise UnknownKindError(case)


@lru_cache(maxsize=3)
def _network(fixture: Fixture, variant: str | None, base: bool) -> BGMv2:
    state = fixture.state(variant)
    if base:
        state = {key: value for key, value in state.items() if not key.startswith("refiner.")}
    return BGMv2.from_state(state).eval()


def _prepared(case: Case) -> BGMv2:
    base = case.entry["network"] == "base"
    network = _network(case.fixture, case.entry.get("variant"), base)
    parameters = case.entry.get("params", {})
    chosen = {ours: parameters[name] for name, ours in _OPTION_NAMES.items() if name in parameters}
    network.options = replace(RefineOptions(), **chosen)
    return network


def _crops(case: Case, name: str) -> list[Array]:
    image = case.inputs[name]
    return [image[y : y + h, x : x + w] for y, x, h, w in case.entry["crops_y0x0hw"]]


@torch.inference_mode()
def _tensor(case: Case) -> Outputs:
    src, bgr = (
        torch.from_numpy(np.stack(_crops(case, name))).permute(0, 3, 1, 2).float() / 255
        for name in ("src", "bgr")
    )
    network = _prepared(case)
    with as_published(network):
        output = network(src, bgr)
        aspp = network.aspp(network.backbone(torch.cat((src, bgr), dim=1)).x4)
    found = {
        "pha": output.pha,
        "fgr": output.fgr,
        "pha_sm": output.pha_sm,
        "fgr_sm": output.fgr_sm,
        "err_sm": output.err_sm,
        "err": output.err_sm,
        "hid": output.hid_sm,
        "ref_sm": output.ref_sm,
        "aspp": aspp,
    }
    return {name: tensor.numpy() for name, tensor in found.items() if tensor is not None}


def _image(case: Case) -> Outputs:
    (src,), (bgr,) = _crops(case, "src"), _crops(case, "bgr")
    pictures = bgmv2_pictures(_prepared(case), ReferenceInput(color=src, background=bgr))
    return {name: getattr(pictures, name) for name in ("com", "fgr", "err", "ref")}
