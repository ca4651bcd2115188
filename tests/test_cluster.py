"""``--engine ray``: the same results, records and statuses as on one machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import ROOT, Cli, Result, outputs_in, photo, save
from tests.video_clips import make_clip

SCRIPT = ROOT / "tests" / "cluster_program.py"
FLAG = ("--engine", "ray")


@pytest.fixture(scope="module", autouse=True)
def _ray() -> None:
    pytest.importorskip("ray", reason="mattecli[ray] is not installed")


def photos(folder: Path, count: int) -> None:
    for number in range(count):
        save(folder / f"p{number}.png", photo(64 + number % 30, 96 - number % 20, number))


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in outputs_in(folder)}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Three nodes on this machine, of one core each; their process listens for a node's end."""
    folder = tmp_path_factory.mktemp("cluster")
    process = subprocess.Popen(
        [sys.executable, SCRIPT, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address, "the cluster did not start"
    yield {"address": address, "folder": str(folder)}
    process.communicate("end\n", timeout=60)


def test_three_nodes_one_killed_in_the_middle(
    shell: Cli, tmp_path: Path, modnet_weights: Path, cluster: dict[str, str]
) -> None:
    photos(tmp_path / "in", 40)
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    words = ("matte", "in", "--weights", str(modnet_weights), "--size", "64", "--json")
    assert shell(*words, "-o", "here").code == 1
    away = (*words, "-o", "away", *FLAG, "--ray-address", cluster["address"])
    process = subprocess.Popen(
        [sys.executable, "-m", "mattecli", *away],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (tmp_path / "away").exists() or len(outputs_in(tmp_path / "away")) < 10:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    (Path(cluster["folder"]) / "kill").touch()
    out, err = process.communicate(timeout=240)
    assert process.returncode == 1, err
    assert "Traceback" not in err
    records = [json.loads(line) for line in out.splitlines()]
    counts = Counter(record["input"] for record in records[:-1])
    assert set(counts.values()) == {1}
    assert len(counts) == 41
    assert (records[-1]["done"], records[-1]["failed"]) == (40, 1)
    assert [r["input"] for r in records[:-1] if r["error"]] == ["in/bad.png"]
    assert "this is not an image" in next(r["error"] for r in records[:-1] if r["error"])
    assert records[-1]["settings"]["model"] == "modnet"
    assert pictures(tmp_path / "away") == pictures(tmp_path / "here")


def test_trimaps_and_composites_on_this_machines_cores(shell: Cli, tmp_path: Path) -> None:
    mask = np.zeros((50, 60), np.uint8)
    mask[10:40, 15:45] = 255
    for number in range(5):
        save(tmp_path / "masks" / f"m{number}.png", np.roll(mask, number, 1))
        cut = np.dstack([photo(60, 50, number), np.roll(mask, number, 1)])
        save(tmp_path / "cut" / f"c{number}.png", cut)
        save(tmp_path / "back" / f"b{number % 2}.png", photo(30, 30, number))
    for words in (("trimap", "masks"), ("composite", "cut", "-b", "back", "--each-background")):
        assert shell(*words, "-o", "here").code == 0
        away = shell(*words, "-o", "away", *FLAG, "--report", "r.jsonl", "--report", "r.html")
        assert away.code == 0, away.err
        assert " done, of " in away.err.splitlines()[-1]
        assert pictures(tmp_path / "away") == pictures(tmp_path / "here")
        again = shell(*words, "-o", "away", *FLAG, "--existing", "skip")
        assert "skipped" in again.err
        lines = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
        assert [line["status"] for line in lines[:-1]] == ["done"] * lines[-1]["total"]
        assert "data:image" in (tmp_path / "r.html").read_text()


def test_an_interrupt_lists_what_is_done(
    tmp_path: Path, modnet_weights: Path, cluster: dict[str, str]
) -> None:
    photos(tmp_path / "in", 60)
    words = ("matte", "in", "--weights", str(modnet_weights), "-w", "alpha", "-o", "out", "--json")
    process = subprocess.Popen(
        [sys.executable, "-m", "mattecli", *words, *FLAG, "--ray-address", cluster["address"]],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    while not (tmp_path / "out").exists() or len(outputs_in(tmp_path / "out")) < 4:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    summary = json.loads(out.splitlines()[-1])
    assert summary["interrupted"]
    assert summary["done"] == len(out.splitlines()) - 1 < 60


def killer(name: str) -> str:
    """A program whose workers die of one photo, as of memory that does not suffice."""
    return f"""
import os, sys
from mattecli.jobs import trimap
make = trimap._Steps.make
def deadly(self, task):
    if task.source.path.name == {name!r}:
        os.kill(os.getpid(), 9)
    make(self, task)
trimap._Steps.make = deadly
"""


def test_a_photo_that_kills_its_worker_is_given_up_and_the_others_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        save(tmp_path / "masks" / f"m{number}.png", np.full((20, 20), 40 * number, np.uint8))
    # Python imports this in every process that it starts here, workers too.
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(killer("m3.png"))
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "site")}
    done = subprocess.run(
        [sys.executable, "-m", "mattecli", "trimap", "masks", "-o", "out", *FLAG],
        cwd=tmp_path, capture_output=True, text=True, env=environment, timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "masks/m3.png: each worker that took it died" in done.stderr
    assert "5 done, 1 failed, of 6" in done.stderr
    assert len(outputs_in(tmp_path / "out")) == 5


def test_a_worker_without_weights_ends_the_run_as_here(
    shell: Cli, tmp_path: Path, cluster: dict[str, str]
) -> None:
    photos(tmp_path / "in", 2)
    words = ("matte", "in", "--model", "modnet:webcam")
    here: Result = shell(*words)
    away: Result = shell(*words, *FLAG, "--ray-address", cluster["address"])
    assert (away.code, away.err) == (here.code, here.err)
    assert away.code == 3


def test_what_does_not_fit_is_refused_in_one_line(cli: Cli, tmp_path: Path) -> None:
    save(tmp_path / "m.png", np.zeros((9, 9), np.uint8))
    for words, cause in (
        ((*FLAG, "-o", "-"), "standard input and output"),
        ((*FLAG, "--ray-address", "127.0.0.1:1"), "there is no Ray cluster"),
        (("--ray-address", "auto"), "--ray-address is for --engine ray"),
    ):
        done = cli("trimap", "m.png", *words)
        assert done.code == 2
        assert cause in done.err
        assert done.err.count("\n") == 1


def test_a_long_video_is_made_by_all_workers_and_joined(
    shell: Cli, tmp_path: Path, cluster: dict[str, str]
) -> None:
    make_clip(tmp_path / "clip.mp4", "-c:v", "libx264", "-g", "33", frames=90, size=(96, 64))
    words = ("video", "clip.mp4", "--model", "modnet", "--size", "32", "--piece-frames", "20")
    assert shell(*words, "-o", "here.mov").code == 0
    flags = (*FLAG, "--ray-address", cluster["address"])
    away = shell(*words, "-o", "away.mov", *flags)
    assert away.code == 0, away.err
    assert (tmp_path / "away.mov").read_bytes() == (tmp_path / "here.mov").read_bytes()
    assert not list(tmp_path.glob(".*.mattecli*"))
