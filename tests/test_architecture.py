"""Rules of the package that no linter knows."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import mattecli

PACKAGE = Path(mattecli.__file__).parent
CONVERTERS = {"from_numpy", "as_tensor", "from_dlpack"}
OF_TORCH_ALONE = {"asarray"}  # numpy's function of that name makes no tensor
ALLOWED = {
    "ops/pixels.py": "the one place: it knows about types, memory and devices",
}
"""Files that may turn arrays into tensors or tensors into arrays, each with its reason."""


def conversions(source: str) -> list[str]:
    """Calls that turn an array into a tensor or back, as ``line: name``."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        name, owner = node.func.attr, node.func.value
        is_torch = isinstance(owner, ast.Name) and owner.id == "torch"
        if name == "numpy" or name in CONVERTERS or (is_torch and name in OF_TORCH_ALONE):
            found.append(f"{node.lineno}: {name}")
    return found


@pytest.mark.parametrize(
    "call",
    [
        "torch.from_numpy(image)",
        "torch.as_tensor(image)",
        "torch.asarray(image)",
        "torch.from_dlpack(image)",
        "found.cpu().numpy()",
        "found.numpy(force=True)",
    ],
)
def test_a_conversion_is_seen(call: str) -> None:
    assert len(conversions(f"import torch\nx = {call}")) == 1


def test_other_calls_are_no_conversions() -> None:
    assert conversions("import numpy\nx = np.asarray(image)\ny = torch.tensor((1, 2))") == []


def test_arrays_and_tensors_meet_in_one_module_alone() -> None:
    found = {
        path.relative_to(PACKAGE).as_posix(): calls
        for path in sorted(PACKAGE.rglob("*.py"))
        if (calls := conversions(path.read_text("utf-8")))
    }
    assert found.keys() == ALLOWED.keys(), found
