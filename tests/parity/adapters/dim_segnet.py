"""The cases of Deep Image Matting in the manner of SegNet."""

from __future__ import annotations

from functools import lru_cache

import torch

from mattecli.engine.reference import ReferenceInput
from mattecli.engine.reference.dim import dim_segnet_reference
from mattecli.models.dim_segnet import DIMSegNet
from parity.core import Case, Fixture, Outputs, UnknownKindError


def compute(case: Case) -> Outputs:
    match case.kind:
        case "tensor":
            return _tensor(case)
        case "image":
            return _image(case)
    raise UnknownKindError(case)


@lru_cache(maxsize=1)
def _network(fixture: Fixture) -> DIMSegNet:
    return DIMSegNet.from_state(fixture.state()).eval()


@torch.inference_mode()
def _tensor(case: Case) -> Outputs:
    alpha = _network(case.fixture)(torch.from_numpy(case.inputs["input"]))
    return {"alpha": alpha.numpy()}


def _image(case: Case) -> Outputs:
    """One photo with several trimaps: ``trimapN`` gives ``alphaN``."""
    network, color = _network(case.fixture), case.inputs["rgb"]
    return {
        name.replace("trimap", "alpha"): dim_segnet_reference(
            network, ReferenceInput(color=color, trimap=trimap)
        ).alpha
        for name, trimap in case.inputs.items()
        if name.startswith("trimap")
    }
