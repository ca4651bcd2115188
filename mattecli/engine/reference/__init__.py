"""The published scripts around the networks, to the level.

Each function repeats one project's own test script: its resize rule, its order of steps, its
truncation to 8 bits. None of it is what the tool does by default.
"""

from mattecli.engine.reference.records import ReferenceInput, ReferenceResult
from mattecli.engine.reference.scripts import SCRIPT_SETTINGS, ReferenceScript, find_reference

__all__ = [
    "SCRIPT_SETTINGS",
    "ReferenceInput",
    "ReferenceResult",
    "ReferenceScript",
    "find_reference",
]
