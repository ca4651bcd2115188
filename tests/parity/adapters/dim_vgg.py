"""The cases of Deep Image Matting on VGG-16, in its generations."""

from __future__ import annotations

from functools import lru_cache

import torch

from mattecli.engine.reference import ReferenceInput
from mattecli.engine.reference.dim import VGGScript, dim_reference
from mattecli.models.dim import DIM, DIMOptions
from mattecli.records import Size
from parity.core import Array, Case, Fixture, Outputs, UnknownKindError

STAGES_WITH_REFINEMENT = (2, 3)


def compute(case: Case) -> Outputs:
    match case.kind:
        case "tensor":
            return _tensor(case)
        case "image":
            return {"alpha": _alpha(case)}
    raise UnknownKindError(case)


@lru_cache(maxsize=1)
def _network(fixture: Fixture, variant: str, *, refinement: bool) -> DIM:
    state = {
        key: value
        for key, value in fixture.state(variant).items()
        if refinement or not key.startswith("refine_")
    }
    options = DIMOptions(additions=fixture.variant(variant)["skip_additions"])
    return DIM.from_state(state, options=options).eval()


@torch.inference_mode()
def _tensor(case: Case) -> Outputs:
    image = torch.from_numpy(case.inputs["input"])
    output = _network(case.fixture, case.entry["variant"], refinement=True)(image)
    return {"raw": output.raw.numpy(), "refined": output.refined.numpy()}


def _alpha(case: Case) -> Array:
    refinement = case.entry["stage"] in STAGES_WITH_REFINEMENT
    network = _network(case.fixture, case.entry["variant"], refinement=refinement)
    photo = ReferenceInput(color=case.inputs["rgb"], trimap=case.inputs["trimap"])
    return dim_reference(network, photo, _script(case.entry["options"])).alpha


def _script(options: list[str]) -> VGGScript:
    """The recorded command line, for example ``--crop_or_resize=crop --size_h=64``."""
    given = dict(option.removeprefix("--").split("=") for option in options)
    usual = VGGScript()
    return VGGScript(
        method=given["crop_or_resize"],
        max_size=int(given.get("max_size", usual.max_size)),
        size=Size(
            int(given.get("size_w", usual.size.width)),
            int(given.get("size_h", usual.size.height)),
        ),
    )
