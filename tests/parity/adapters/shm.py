"""SHM's cases."""

from __future__ import annotations

from functools import lru_cache

import torch

from mattecli.engine.reference.shm import shm_reference_alpha, shm_reference_frame
from mattecli.models.shm import SHM
from mattecli.ops.pixels import truncated_levels
from parity.core import Case, Fixture, Outputs, UnknownKindError


def compute(case: Case) -> Outputs:
    match case.kind:
        case "tensor":
            return _tensor(case)
        case "image":
            return _image(case)
    raise UnknownKindError(case)


@lru_cache(maxsize=1)
def _network(fixture: Fixture) -> SHM:
    return SHM.from_state(fixture.state()).eval()


@torch.inference_mode()
def _tensor(case: Case) -> Outputs:
    output = _network(case.fixture)(torch.from_numpy(case.inputs["image"]))
    return {
        "trimap_logits": output.trimap.numpy(),
        "trimap_softmax": output.shares.numpy(),
        "alpha_r": output.alpha_r.numpy(),
        "alpha_p": output.alpha_p.numpy(),
    }


def _image(case: Case) -> Outputs:
    color = case.inputs["image_bgr"][..., ::-1].copy()
    alpha = shm_reference_alpha(_network(case.fixture), color, case.entry["size"])
    return {
        "alpha_f32": alpha,
        "alpha_u8": truncated_levels(alpha),
        "gray_background_bgr": shm_reference_frame(color, alpha)[..., ::-1],
    }
