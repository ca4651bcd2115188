"""The recorded values of published evaluation programs, for several test files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from parity.core import Fixture, parity_folder

_FILE = parity_folder() / "metrics.json"
_CONTENT = json.loads(_FILE.read_text()) if _FILE.exists() else {"entries": []}

FIXTURE = Fixture("metrics", _CONTENT, parity_folder())
ENTRIES: Mapping[str, Mapping[str, Any]] = {entry["name"]: entry for entry in _CONTENT["entries"]}
STILLS = {name: entry for name, entry in ENTRIES.items() if "dim_sad" in entry["values"]}

needs_fixture = pytest.mark.skipif(
    not ENTRIES, reason=f"no {_FILE.name} in {_FILE.parent} (set MATTECLI_PARITY)"
)


def recorded(name: str, protocol: str) -> dict[str, Any]:
    """The values that a program gave for a case, by metric."""
    prefix = f"{protocol.replace('-', '_')}_"
    return {
        key.removeprefix(prefix): value
        for key, value in ENTRIES[name]["values"].items()
        if key.startswith(prefix) and not (protocol == "rvm" and key.startswith("rvm_hr_"))
    }


def within(expected: float | None) -> object:
    """Equal to ``expected`` within the fixture's own tolerance."""
    if expected is None:
        return None
    bounds = _CONTENT["tolerance"]
    return pytest.approx(expected, rel=bounds["rel"], abs=bounds["abs"])
