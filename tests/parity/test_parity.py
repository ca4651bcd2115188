"""Every recorded case of every fixture file, computed by our code."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from parity.adapters import ADAPTERS, compute
from parity.core import Case, Fixture, check, load_fixtures, parity_folder

FIXTURES = load_fixtures(parity_folder())

pytestmark = pytest.mark.skipif(
    not FIXTURES, reason=f"no fixtures in {parity_folder()} (set MATTECLI_PARITY)"
)


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


@pytest.mark.parametrize("case", [p for fixture in FIXTURES for p in _parameters(fixture)])
def test_recorded_case(case: Case, record_property: Callable[[str, object], None]) -> None:
    for output, largest in check(case, compute(case)).items():
        record_property(output, largest)
