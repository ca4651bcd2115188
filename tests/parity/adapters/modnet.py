"""MODNet's cases."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from mattecli.engine.reference import ReferenceInput
from mattecli.engine.reference.modnet import modnet_reference, modnet_reference_video
from mattecli.models.modnet import MODNet
from mattecli.ops.temporal import one_frame_delays
from parity.core import Array, Case, Fixture, Outputs, UnknownKindError


def compute(case: Case) -> Outputs:
    match case.kind:
        case "tensor":
            return _tensor(case)
        case "image":
            photo = ReferenceInput(color=case.inputs["image"])
            return {"alpha": modnet_reference(_network(case.fixture), photo).alpha}
        case "video":
            return _video(case)
        case "formula":
            return {"smoothed": np.stack(list(one_frame_delays(case.inputs["mattes"])))}
    raise UnknownKindError(case)


@lru_cache(maxsize=1)
def _network(fixture: Fixture) -> MODNet:
    return MODNet.from_state(fixture.state()).eval()


@torch.inference_mode()
def _tensor(case: Case) -> Outputs:
    network, image = _network(case.fixture), torch.from_numpy(case.inputs["image"])
    output = network(image, inference=False)
    assert torch.equal(network(image).matte, output.matte)
    return {
        "matte": output.matte.numpy(),
        "semantic": output.semantic.numpy(),
        "detail": output.detail.numpy(),
    }


def _video(case: Case) -> Outputs:
    frames = [frame[..., ::-1].copy() for frame in case.inputs["frames_bgr"]]
    network = _network(case.fixture)
    return {
        "matte_bgr": _bgr(modnet_reference_video(network, frames, "matte")),
        "fg_bgr": _bgr(modnet_reference_video(network, frames, "foreground")),
    }


def _bgr(frames: object) -> Array:
    return np.stack(list(frames))[..., ::-1]
