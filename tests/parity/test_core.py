"""The comparison itself: what is out of tolerance, or unknown, fails."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parity.adapters import compute
from parity.core import Array, Case, Fixture, check, load_fixtures, parity_folder

RECIPE = """
import numpy as np

def deterministic_state_dict(manifest, prefix):
    return {e["key"]: np.full(e["shape"], len(prefix) + e["gain"]) for e in manifest}
"""


def write_fixture(folder: Path, name: str = "system", **entry: Any) -> Fixture:
    """A folder with one fixture file of one case, whose output ``case.out`` is recorded."""
    recorded = entry.pop("recorded", np.zeros((1, 1, 10, 10), np.float32))
    case = {"name": "case", "kind": "tensor", "inputs": [], "outputs": ["case.out"], **entry}
    content = {
        "model": name,
        "npz": "arrays.npz",
        "prefix": "ab",
        "manifest": [{"key": "k", "shape": [2], "gain": 1.0}],
        "variants": [{"name": "other", "manifest_overrides": {"k": {"gain": 5.0}}}],
        "cases": [case],
    }
    (folder / f"{name}.json").write_text(json.dumps(content))
    (folder / "weights_recipe.py").write_text(RECIPE)
    np.savez(folder / "arrays.npz", **{"case.out": recorded})
    return load_fixtures(folder)[0]


def only_case(fixture: Fixture) -> Case:
    (case,) = fixture.cases()
    return case


def with_outliers(count: int, by: float, dtype: type = np.float32) -> Array:
    values = np.zeros((1, 1, 10, 10), dtype)
    values.reshape(-1)[:count] = by
    return values


@pytest.mark.parametrize(
    ("tolerance", "count", "by", "passes"),
    [
        ({"max_abs": 1e-4}, 100, 9e-5, True),
        ({"max_abs": 1e-4}, 1, 2e-4, False),
        ({"max_abs": 1e-4, "max_outlier_fraction": 0.03}, 3, 0.5, True),
        ({"max_abs": 1e-4, "max_outlier_fraction": 0.03}, 4, 0.5, False),
        ({"max_abs": 1e-4, "out_max_abs": 0.1}, 100, 0.09, True),
        ({"max_abs": 0.1, "out_max_abs": 1e-4}, 1, 0.09, False),
        ({"max_abs": 1e-4, "o_max_abs": 0.1}, 1, 0.09, False),
        ({"max_abs": 1e-4, "out": 0}, 1, 1e-7, False),
        ({"max_abs": 1.0}, 1, np.nan, False),
    ],
)
def test_floats(
    tmp_path: Path, tolerance: dict[str, float], count: int, by: float, passes: bool
) -> None:
    case = only_case(write_fixture(tmp_path, tolerance=tolerance))
    computed = {"out": with_outliers(count, by)}
    if passes:
        assert check(case, computed)["out"] == pytest.approx(by)
    else:
        with pytest.raises(AssertionError, match="out"):
            check(case, computed)


@pytest.mark.parametrize(
    ("tolerance", "count", "by", "passes"),
    [
        ({"max_levels": 1, "max_differing_fraction": 0.05}, 5, 1, True),
        ({"max_levels": 1, "max_differing_fraction": 0.05}, 6, 1, False),
        ({"max_levels": 1, "max_differing_fraction": 0.05}, 1, 2, False),
        ({"max_abs": 1e-4}, 0, 0, True),
        ({"max_abs": 1e-4}, 1, 1, False),
    ],
)
def test_levels(
    tmp_path: Path, tolerance: dict[str, float], count: int, by: int, passes: bool
) -> None:
    recorded = np.zeros((1, 1, 10, 10), np.uint8)
    case = only_case(write_fixture(tmp_path, tolerance=tolerance, recorded=recorded))
    computed = {"out": with_outliers(count, by, np.uint8)}
    if passes:
        assert check(case, computed)["out"] == by
    else:
        with pytest.raises(AssertionError, match="out"):
            check(case, computed)


def test_a_tolerance_of_a_group_of_outputs(tmp_path: Path) -> None:
    entry = {"outputs": ["case.net_out"], "tolerance": {"max_levels": 1, "net_max_abs": 0.1}}
    fixture = write_fixture(tmp_path, **entry)
    np.savez(tmp_path / "arrays.npz", **{"case.net_out": np.zeros((1, 1, 10, 10), np.float32)})
    case = only_case(fixture)
    assert check(case, {"net_out": with_outliers(100, 0.09)})
    with pytest.raises(AssertionError, match="net_out"):
        check(case, {"net_out": with_outliers(1, 0.11)})


@pytest.mark.parametrize(
    ("whole", "recorded"),
    [
        (np.arange(24.0).reshape(1, 1, 4, 6), np.array([[[[0.0, 3], [18, 21]]]])),
        (np.arange(72, dtype=np.uint8).reshape(4, 6, 3), np.arange(72).reshape(4, 6, 3)[::3, ::3]),
    ],
)
def test_an_output_may_be_recorded_with_a_stride(
    tmp_path: Path, whole: Array, recorded: Array
) -> None:
    entry = {"stride": {"case.out": 3}, "tolerance": {"max_abs": 0}}
    case = only_case(write_fixture(tmp_path, recorded=recorded.astype(whole.dtype), **entry))
    assert check(case, {"out": whole}) == {"out": 0}
    with pytest.raises(AssertionError):
        check(case, {"out": whole[..., 1:, :]})


def test_another_shape_fails(tmp_path: Path) -> None:
    case = only_case(write_fixture(tmp_path, tolerance={"max_abs": 1.0}))
    with pytest.raises(AssertionError, match="not \\(1, 1, 10, 10\\)"):
        check(case, {"out": np.zeros((1, 10, 10), np.float32)})


def test_an_output_that_is_not_computed_fails(tmp_path: Path) -> None:
    case = only_case(write_fixture(tmp_path, tolerance={"max_abs": 1.0}))
    with pytest.raises(KeyError, match="out"):
        check(case, {})


def test_an_unknown_system_fails(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="no adapter for unheard_of"):
        compute(only_case(write_fixture(tmp_path, "unheard_of")))


@pytest.mark.parametrize("name", ["modnet", "shm", "dim_segnet", "dim_vgg"])
def test_an_unknown_kind_fails(tmp_path: Path, name: str) -> None:
    with pytest.raises(LookupError, match="unknown kind 'telepathy'"):
        compute(only_case(write_fixture(tmp_path, name, kind="telepathy")))


def test_weights_come_from_the_recipe_beside_the_fixture(tmp_path: Path) -> None:
    fixture = write_fixture(tmp_path)
    assert fixture.state()["k"].tolist() == [3.0, 3.0]
    assert fixture.state("other")["k"].tolist() == [7.0, 7.0]


def test_the_environment_names_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MATTECLI_PARITY", str(tmp_path))
    assert parity_folder() == tmp_path


def test_a_folder_with_an_unknown_case_fails_as_a_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_fixture(tmp_path, "unheard_of")
    monkeypatch.setenv("MATTECLI_PARITY", str(tmp_path))
    test = Path(__file__).with_name("test_parity.py")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(test)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout
    assert "1 failed" in run.stdout
