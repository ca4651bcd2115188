"""``--shard``: parts that are everything together, and have no name in common."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, Cli, outputs_in, photo, save


def planned(cli: Cli, *words: str) -> list[str]:
    done = cli("trimap", "in", "-r", "-o", "out", "--dry-run", "--json", *words)
    assert done.code == 0, done.err
    records = [json.loads(line) for line in done.out.splitlines()]
    return [record["outputs"]["trimap"] for record in records[:-1]]


@pytest.mark.parametrize("count", [1, 2, 3, 7, 30])
def test_no_two_shards_write_one_name_and_none_is_left_out(
    cli: Cli, tmp_path: Path, count: int
) -> None:
    """Names that clash (a.png, a.jpg, A.png) are told apart alike in all shards."""
    for name in ("a.png", "a.jpg", "A.png", "sub/a.png", "sub/a.bmp", *(f"{n}.png" for n in "xyz")):
        save(tmp_path / "in" / name, np.zeros((8, 8), np.uint8))
    whole = planned(cli)
    parts = [planned(cli, "--shard", f"{index}/{count}") for index in range(count)]
    together = [name for part in parts for name in part]
    assert sorted(together) == sorted(whole)
    assert len({name.casefold() for name in together}) == len(whole) == 8
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def environment(tmp_path: Path, **more: str) -> dict[str, str]:
    """With a ``mattecli`` on the path that is this one."""
    program = tmp_path / "bin" / "mattecli"
    program.parent.mkdir(exist_ok=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mattecli "$@"\n')
    program.chmod(0o755)
    return os.environ | {"PATH": f"{program.parent}:{os.environ['PATH']}"} | more


def test_the_slurm_script_does_each_photo_once_and_goes_on(
    tmp_path: Path, modnet_weights: Path
) -> None:
    for number in range(5):
        save(tmp_path / "a b" / f"p{number}.png", photo(40, 50, number))
    words = ("a b", "out", "--weights", str(modnet_weights), "--size", "64", "-w", "alpha")
    for attempt in ("done", "skipped"):
        for index in range(2):
            done = subprocess.run(
                ["bash", ROOT / "examples" / "slurm_array.sh", *words],
                env=environment(
                    tmp_path, SLURM_ARRAY_TASK_ID=str(index), SLURM_ARRAY_TASK_COUNT="2"
                ),
                capture_output=True, text=True, cwd=tmp_path, check=False, timeout=120,
            )  # fmt: skip
            assert done.returncode == 0, done.stderr
        reports = sorted((tmp_path / "out" / "reports").glob("*.jsonl"))
        lines = [json.loads(line) for report in reports for line in report.read_text().splitlines()]
        inputs = [line["input"] for line in lines if line.get("status") == attempt]
        assert sorted(inputs) == [f"a b/p{number}.png" for number in range(5)]
    assert len([path for path in outputs_in(tmp_path / "out") if path.is_file()]) == 5


def test_the_parallel_script_does_each_photo_once(tmp_path: Path, modnet_weights: Path) -> None:
    if shutil.which("parallel") is None:
        pytest.skip("GNU parallel is not installed")
    for number in range(5):
        save(tmp_path / "photos" / f"p{number}.png", photo(40, 50, number))
    script = ROOT / "examples" / "parallel.sh"
    words = ("3", "photos", "out", "--weights", str(modnet_weights), "--size", "64", "-w", "alpha")
    done = subprocess.run(
        ["bash", script, *words],
        env=environment(tmp_path), capture_output=True, text=True, cwd=tmp_path, check=False,
        timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(outputs_in(tmp_path / "out")) == 5 + 1  # and the folder of reports
