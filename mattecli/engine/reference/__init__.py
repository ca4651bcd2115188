"""The published scripts around the networks, to the level.

Each function repeats one project's own test script: its resize rule, its order of steps, its
truncation to 8 bits. None of it is what the tool does by default.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from mattecli.engine.reference.bgm import bgm_reference
from mattecli.engine.reference.bgmv2 import bgmv2_reference
from mattecli.engine.reference.dim import dim_reference, dim_segnet_reference
from mattecli.engine.reference.modnet import modnet_reference
from mattecli.engine.reference.records import ReferenceInput, ReferenceResult
from mattecli.engine.reference.shm import shm_reference
from mattecli.errors import UsageError
from mattecli.models.spec import ModelSpec

__all__ = ["REFERENCES", "ReferenceInput", "ReferenceResult", "find_reference"]

ReferenceScript = Callable[[Any, ReferenceInput], ReferenceResult]
"""Takes the network (each script its own class, in evaluation mode) and one photo."""

REFERENCES: Mapping[str, ReferenceScript] = {
    "modnet": modnet_reference,
    "shm": shm_reference,
    "dim": dim_reference,
    "dim:segnet": dim_segnet_reference,
    "bgm": bgm_reference,
    "bgmv2": bgmv2_reference,
}
"""By the name of a registry row, or of its system."""


def find_reference(spec: ModelSpec) -> ReferenceScript:
    """The script that belongs to a registry row.

    Raises:
        UsageError: there is none.
    """
    script = REFERENCES.get(spec.name) or REFERENCES.get(spec.system)
    if script is None:
        raise UsageError(
            f"there is no published script for {spec.name}", remedy="leave out --reference"
        )
    return script
