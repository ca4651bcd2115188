"""The campaign of `benchmarks/faults.py`, in short: eight kills over the three commands."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
@pytest.mark.parametrize(("job", "kills"), [("composite", 4), ("matte", 2), ("video", 2)])
def test_runs_that_are_killed_lose_nothing(job: str, kills: int) -> None:
    command = [sys.executable, ROOT / "benchmarks" / "faults.py", "--jobs", job, "--seed", "5"]
    done = subprocess.run(
        [*command, "--kills", str(kills)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{kills} kills" in done.stdout
    assert "the same in each" in done.stdout
