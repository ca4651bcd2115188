"""Recorded cases, the weights that belong to them, and their comparison with what we compute.

A fixture folder holds, for each system, ``<system>.json`` (manifest of the weights, cases with
their tolerances) and ``<system>.npz`` (the arrays), and ``weights_recipe.py`` (which makes the
weights).
Nothing of a fixture is written here as a literal: names, sizes, prefixes and tolerances are read.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

Array = npt.NDArray[Any]
Outputs = Mapping[str, Array]
"""Arrays by the last part of their recorded name: ``matte`` for ``base.matte``."""


def parity_folder() -> Path:
    """``MATTECLI_PARITY``, else ``shared/parity`` beside the checkout; it may be absent."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "parity"
    return Path(os.environ.get("MATTECLI_PARITY", beside))


@dataclass(frozen=True, eq=False)  # by identity: adapters keep networks by fixture
class Fixture:
    """One ``<system>.json`` with its arrays.

    Attributes:
        name: the system, as the file names it.
        content: the parsed file.
        folder: where it lies.
    """

    name: str
    content: Mapping[str, Any]
    folder: Path

    @cached_property
    def arrays(self) -> Mapping[str, Array]:
        with np.load(self.folder / self.content["npz"]) as stored:
            return {name: stored[name] for name in stored.files}

    def cases(self) -> Iterator[Case]:
        for entry in self.content["cases"]:
            yield Case(self, entry)

    def variant(self, name: str | None) -> Mapping[str, Any]:
        """The entry of ``variants`` called ``name``; an empty one for None."""
        return {v["name"]: v for v in self.content.get("variants", ())}[name] if name else {}

    def state(
        self, variant: str | None = None, manifest: str = "manifest"
    ) -> dict[str, torch.Tensor]:
        """The recipe's weights by published name, with the overrides of ``variant``."""
        overrides = self.variant(variant).get("manifest_overrides", {})
        entries = [entry | overrides.get(entry["key"], {}) for entry in self.content[manifest]]
        recipe = _recipe(self.folder)
        made = recipe.deterministic_state_dict(entries, self.content["prefix"])
        return {key: torch.from_numpy(value) for key, value in made.items()}


@dataclass(frozen=True)
class Case:
    """One recorded run.

    Attributes:
        fixture: the file it is from.
        entry: its description there.
    """

    fixture: Fixture
    entry: Mapping[str, Any]

    @property
    def name(self) -> str:
        name: str = self.entry["name"]
        return name

    @property
    def kind(self) -> str:
        kind: str = self.entry["kind"]
        return kind

    @property
    def inputs(self) -> Outputs:
        names = [*self.entry["inputs"], *self.entry.get("network_outputs", ())]
        return {_last_part(name): self.fixture.arrays[name] for name in names}

    @property
    def expected(self) -> Outputs:
        return {_last_part(name): self.fixture.arrays[name] for name in self.entry["outputs"]}

    def stride(self, output: str) -> int:
        strides = {_last_part(k): int(v) for k, v in self.entry.get("stride", {}).items()}
        return strides.get(output, 1)


Adapter = Callable[[Case], Outputs]
"""Computes the outputs of a case, whole (the comparison applies strides), by their last part."""


class UnknownKindError(LookupError):
    """An adapter does not know the kind of a case: the case fails."""

    def __init__(self, case: Case) -> None:
        super().__init__(f"{case.fixture.name} has a case of unknown kind {case.kind!r}")


def load_fixtures(folder: Path) -> list[Fixture]:
    """The network fixtures of ``folder``: JSON files with a list of ``cases``."""
    parsed = (json.loads(path.read_text()) for path in sorted(folder.glob("*.json")))
    return [Fixture(c["model"], c, folder) for c in parsed if "cases" in c]


def check(case: Case, computed: Outputs) -> dict[str, float]:
    """Compare what was computed with what was recorded.

    Returns:
        The largest absolute difference of each output (in levels for 8-bit pictures).

    Raises:
        AssertionError: an output is missing, of another shape, or out of tolerance.
    """
    largest: dict[str, float] = {}
    for name, expected in case.expected.items():
        actual = _strided(computed[name], case.stride(name))
        assert actual.shape == expected.shape, f"{name}: {actual.shape}, not {expected.shape}"
        differences = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
        assert np.isfinite(differences).all(), f"{name} is not finite everywhere"
        bound, fraction_above, fraction_differing = _bounds(case, name, expected)
        above = float((differences > bound).mean())
        differing = float((differences > 0).mean())
        found = f"{name}: largest difference {differences.max()}"
        assert above <= fraction_above, f"{found}, {above:.2%} above {bound}"
        assert differing <= fraction_differing, f"{found}, {differing:.2%} differ"
        largest[name] = float(differences.max())
    return largest


def _bounds(case: Case, output: str, expected: Array) -> tuple[float, float, float]:
    """Largest difference, share that may exceed it, share that may differ at all."""
    tolerance = case.entry["tolerance"]
    if output in tolerance:  # a bound for this output by its own name
        return float(tolerance[output]), 0.0, 1.0
    special = [
        key.removesuffix("_max_abs")
        for key in tolerance
        if key.endswith("_max_abs") and f"{output}_".startswith(key.removesuffix("max_abs"))
    ]
    if special:  # net_motion_max_abs, or net_max_abs for net_alpha
        return float(tolerance[f"{max(special, key=len)}_max_abs"]), 0.0, 1.0
    if np.issubdtype(expected.dtype, np.floating):
        outliers = tolerance.get("max_outlier_fraction", 0.0)
        return float(tolerance["max_abs"]), float(outliers), 1.0
    if "max_levels" in tolerance:
        return float(tolerance["max_levels"]), 0.0, float(tolerance["max_differing_fraction"])
    return 0.0, 0.0, 0.0  # integers without a bound of their own are choices: equal


def _strided(array: Array, stride: int) -> Array:
    if stride == 1:
        return array
    if array.ndim == 3 and array.dtype == np.uint8:  # a picture: H,W,C
        return array[::stride, ::stride]
    return array[..., ::stride, ::stride]


def _last_part(name: str) -> str:
    return name.rpartition(".")[2]


def _recipe(folder: Path) -> ModuleType:
    path = folder / "weights_recipe.py"
    spec = importlib.util.spec_from_file_location(f"weights_recipe_{abs(hash(path))}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
