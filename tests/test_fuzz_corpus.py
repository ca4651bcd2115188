"""What fuzzing has found stays mended; and a short run of the fuzzer finds nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.fuzz_seeds import png_mask
from tests.fuzz_targets import outcome

CORPUS = sorted((Path(__file__).parent / "corpus").iterdir())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.name)
def test_a_finding_stays_mended(path: Path, tmp_path: Path) -> None:
    (tmp_path / "m.png").write_bytes(png_mask())
    assert outcome(path.name.rpartition("-")[0], path.read_bytes(), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["image", "levels", "checkpoint", "config", "list", "journal"])
def test_a_few_seconds_of_fuzzing_find_nothing(target: str, tmp_path: Path) -> None:
    command = [sys.executable, ROOT / "benchmarks" / "fuzz.py", "--targets", target]
    done = subprocess.run(
        [*command, "--minutes", "0.03", "--seed", "9", "--keep", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "0 findings" in done.stdout
    assert " 0 inputs" not in done.stdout
