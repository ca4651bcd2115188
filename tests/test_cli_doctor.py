"""``mattecli doctor`` on machines that lack something; real processes, real causes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from conftest import Cli, Result


def findings(done: Result) -> dict[str, dict[str, str]]:
    rows = [json.loads(line) for line in done.out.splitlines()]
    return {row["subject"]: row for row in rows}


def shadow(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the next processes find modules and packages of ``folder`` before the real ones."""
    monkeypatch.setenv("PYTHONPATH", str(folder))


def test_a_sound_machine(shell: Cli) -> None:
    done = shell("doctor", "--json")
    assert done.code == 0, done.err
    found = findings(done)
    assert {"mattecli", "torch", "numpy", "CPU", "GPU", "ffmpeg", "video"} <= found.keys()
    assert found["video"]["verdict"] == "ok"
    assert "bf16" in found["CPU"]["detail"]
    problems = [row for row in found.values() if row["verdict"] == "problem"]
    assert not problems
    for row in found.values():
        assert (row["verdict"] == "ok") == (row["remedy"] == "")


def test_lines_for_people(cli: Cli) -> None:
    text = cli("doctor").out.decode()
    assert "ok       mattecli: " in text
    assert "weights folder: " in text


def test_a_broken_opencv_is_a_problem_with_its_remedy(
    shell: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = "raise ImportError('libGL.so.1: cannot open shared object file')\n"
    (tmp_path / "shadow").mkdir()
    (tmp_path / "shadow" / "cv2.py").write_text(broken)
    shadow(tmp_path / "shadow", monkeypatch)
    done = shell("doctor", "--json")
    assert done.code == 1
    row = findings(done)["OpenCV"]
    assert row["verdict"] == "problem"
    assert "libGL.so.1" in row["detail"]
    assert "opencv-python-headless" in row["remedy"]
    assert "weights folder" in findings(done)  # the rest is looked at all the same


def test_another_version_is_noted(
    shell: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "shadow" / "tqdm-1.0.dist-info"
    old.mkdir(parents=True)
    (old / "METADATA").write_text("Metadata-Version: 2.1\nName: tqdm\nVersion: 1.0\n")
    shadow(tmp_path / "shadow", monkeypatch)
    row = findings(shell("doctor", "--json"))["tqdm"]
    assert row["verdict"] == "note"
    assert row["remedy"].startswith("pip install 'tqdm>=")


def test_an_ffmpeg_that_does_not_run(shell: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/bin/false")
    done = shell("doctor", "--json")
    assert done.code == 1
    assert findings(done)["ffmpeg"]["verdict"] == "problem"
    assert "IMAGEIO_FFMPEG_EXE" in findings(done)["ffmpeg"]["remedy"]


def test_weights_that_cannot_be_kept_or_read(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Path(os.environ["MATTECLI_HOME"]) / "weights"
    store.mkdir(parents=True)
    (store / "bgmv2.json").write_text("{")
    done = cli("doctor", "--json")
    assert done.code == 1
    assert findings(done)["weights of bgmv2"]["verdict"] == "problem"
    file = tmp_path / "file"
    file.write_text("no folder")
    monkeypatch.setenv("MATTECLI_HOME", str(file / "home"))
    row = findings(cli("doctor", "--json"))["weights folder"]
    assert row["verdict"] == "note"
    assert "MATTECLI_HOME" in row["remedy"]


def test_few_threads_are_noted(shell: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("one core cannot have too few threads")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    row = findings(shell("doctor", "--json"))["CPU"]
    assert row["verdict"] == "note"
    assert "OMP_NUM_THREADS" in row["remedy"]
