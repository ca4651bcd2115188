"""Every recorded case of every fixture file, computed by our code."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from parity.adapters import ADAPTERS, compute
from parity.core import Case, Fixture, check, load_fixtures, parity_folder

FIXTURES = load_fixtures(parity_folder())


def _parameters(fixture: Fixture) -> list[object]:
    row = ADAPTERS.get(fixture.name)
    slow = row.slow_kinds if row else frozenset()
    return [
        pytest.param(
            case,
            id=f"{fixture.name}-{case.name}",
            marks=[pytest.mark.slow] if case.kind in slow else [],
        )
        for case in fixture.cases()
    ]


def test_the_folder_has_fixtures() -> None:
    """A folder that is named and holds none is a mistake, not a reason to skip."""
    assert FIXTURES or "MATTECLI_PARITY" not in os.environ


@pytest.mark.parametrize("case", [p for fixture in FIXTURES for p in _parameters(fixture)])
@pytest.mark.skipif(not FIXTURES, reason=f"no fixtures in {parity_folder()} (set MATTECLI_PARITY)")
def test_recorded_case(case: Case, record_property: Callable[[str, object], None]) -> None:
    for output, largest in check(case, compute(case)).items():
        record_property(output, largest)
