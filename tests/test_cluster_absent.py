"""Asking for Ray where it is not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mattecli.errors import UsageError
from mattecli.jobs.trimap import make_trimaps
from mattecli.settings import EngineOptions, InputOptions, TrimapCommandOptions
from tests.conftest import save

WITHOUT = "import sys; sys.modules['ray'] = None; from mattecli.__main__ import main; main()"


@pytest.mark.parametrize("command", ["matte", "trimap", "composite", "video"])
def test_the_way_to_it_is_said(command: str, tmp_path: Path) -> None:
    save(tmp_path / "m.png", np.zeros((9, 9), np.uint8))
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, command, "m.png", "--engine", "ray"],
        capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 2
    assert "--engine ray needs Ray" in done.stderr
    assert "pip install 'mattecli[ray]'" in done.stderr
    assert done.stderr.count("\n") == 1
    if command == "trimap":
        local = [sys.executable, "-c", WITHOUT, "trimap", "m.png"]
        assert subprocess.run(local, cwd=tmp_path, check=False, timeout=60).returncode == 0


def test_a_library_call_without_a_crew_does_not_work_here_instead() -> None:
    options = TrimapCommandOptions(
        source=InputOptions(inputs=("m.png",)), engine=EngineOptions(engine="ray")
    )
    with pytest.raises(UsageError, match="without a crew"):
        make_trimaps(options)
