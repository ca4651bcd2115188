"""The campaign of `benchmarks/faults.py`, in short: eight kills over the three commands."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mattecli.media.leftovers import temporary_name
from tests.conftest import ROOT, Cli, save


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


def test_what_a_killed_run_left_half_written_goes_with_the_next_run(
    cli: Cli, tmp_path: Path
) -> None:
    save(tmp_path / "mask.png", np.full((8, 8), 255, np.uint8))
    out = tmp_path / "trimaps"
    out.mkdir()
    for name, age in (("old", 120), ("young", 0)):
        left = out / temporary_name(f"{name}.png")
        left.write_bytes(b"half")
        os.utime(left, (time.time() - age,) * 2)
    assert cli("trimap", "mask.png", "--dry-run").code == 0
    assert len(list(out.iterdir())) == 2
    assert cli("trimap", "mask.png").code == 0
    (left,) = out.glob(".*.part")
    assert left.name.startswith(".young.png.")
