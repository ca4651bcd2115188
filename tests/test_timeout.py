"""``--timeout``: an input that takes too long fails with its line, and the run goes on."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from mattecli.engine.lanes import Lanes
from mattecli.engine.pipeline import Control, Limit, Outcome, Stage, run_stages
from mattecli.engine.watch import has_lost_threads
from tests.conftest import ROOT, Cli, outputs_in, photo, save
from tests.video_clips import make_clip


@dataclass(eq=False)
class Item:
    number: int
    may_be_given_up: bool = True


def limit(seconds: float) -> Limit[Item]:
    return Limit(
        seconds=seconds,
        give_up=lambda item: item.may_be_given_up,
        error=lambda item: TimeoutError(str(item.number)),
    )


def run(
    items: Sequence[Item], stages: Sequence[Stage[Item]], seconds: float = 0.3
) -> list[Outcome[Item]]:
    return list(run_stages(items, stages, budget=100, control=Control(limit=limit(seconds))))


def failures(outcomes: list[Outcome[Item]]) -> list[int]:
    return [o.item.number for o in outcomes if isinstance(o.error, TimeoutError)]


def test_the_slow_are_given_up_and_the_others_go_on() -> None:
    release = threading.Event()

    def work(group: Sequence[Item]) -> None:
        if group[0].number in (1, 4):
            release.wait(30)

    stages = [Stage(name="a", work=work), Stage(name="b", work=lambda _group: None)]
    outcomes = run([Item(n) for n in range(8)], stages)
    assert [outcome.item.number for outcome in outcomes] == list(range(8))
    assert failures(outcomes) == [1, 4]
    assert has_lost_threads()
    release.set()
    deadline = time.monotonic() + 10
    while has_lost_threads():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_work_in_python_ends_when_it_is_given_up() -> None:
    steps = 0

    def work(_group: Sequence[Item]) -> None:
        nonlocal steps
        while True:
            steps += 1
            time.sleep(0.001)

    assert failures(run([Item(0)], [Stage(name="a", work=work)])) == [0]
    time.sleep(0.3)
    seen = steps
    time.sleep(0.1)
    assert steps == seen


def test_what_is_being_written_is_let_end() -> None:
    def work(_group: Sequence[Item]) -> None:
        time.sleep(0.5)

    (outcome,) = run([Item(0, may_be_given_up=False)], [Stage(name="a", work=work)], 0.1)
    assert outcome.error is None


def test_a_group_shares_its_time_and_waiting_does_not_count() -> None:
    def work(_group: Sequence[Item]) -> None:
        time.sleep(0.25)

    alone = Stage(name="a", work=lambda _group: time.sleep(0.05))
    together = Stage(name="b", work=work, group=4)
    outcomes = run([Item(n) for n in range(12)], [alone, together], 2)
    assert failures(outcomes) == []


def test_stages_are_summed() -> None:
    stages = [Stage(name=name, work=lambda _group: time.sleep(0.2)) for name in "abc"]
    assert failures(run([Item(0)], stages, 0.3)) == [0]
    assert failures(run([Item(0)], stages, 20)) == []


SLOW = """
import sys, time
from mattecli.__main__ import main
from mattecli.jobs import composite
read = composite.read_picture
def slowly(source, **more):
    if "slow" in str(source):
        time.sleep(60)
    return read(source, **more)
composite.read_picture = slowly
sys.argv = ["mattecli", *sys.argv[1:]]
main()
"""


def test_a_photo_that_takes_too_long_fails_with_its_line(tmp_path: Path) -> None:
    for name in ("p0", "p1-slow", "p2", "p3-slow", "p4"):
        save(tmp_path / "in" / f"{name}.png", photo(32, 24))
        save(tmp_path / "alpha" / f"{name}.png", photo(32, 24)[..., 0])
    done = subprocess.run(
        [sys.executable, "-c", SLOW, "composite", "in", "--alpha", "alpha", "-o", "out/",
         "--timeout", "4", "--workers", "1"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed")]
    assert failed == [
        f"failed: in/p{n}-slow.png: it was given up after 4 seconds; raise --timeout if it is"
        " worth more"
        for n in (1, 3)
    ]
    assert len(outputs_in(tmp_path / "out")) == 3
    assert "Traceback" not in done.stderr


def test_a_video_that_takes_too_long(cli: Cli, tmp_path: Path, modnet_weights: Path) -> None:
    make_clip(tmp_path / "c.mp4", frames=30, size=(64, 48))
    done = cli("video", "c.mp4", "-o", "o.mkv", "--timeout", "0.01", "--size", "64",
               "--model", "modnet", "--weights", modnet_weights)  # fmt: skip
    assert done.code == 1
    assert "failed: c.mp4: it was given up after 0.01 seconds; raise --timeout" in done.err
    assert not (tmp_path / "o.mkv").exists()


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "1e9"])
@pytest.mark.parametrize("command", ["trimap", "video"])
def test_senseless_limits_are_refused(cli: Cli, tmp_path: Path, command: str, value: str) -> None:
    save(tmp_path / "m.png", photo(20, 20))
    done = cli(command, "m.png", "--timeout", value)
    assert done.code == 2
    assert "--timeout" in done.err
    assert done.err.count("\n") == 1


def test_waiting_for_a_lane_that_the_slow_hold_is_not_counted() -> None:
    lanes = Lanes(1)

    def work(group: Sequence[Item]) -> None:
        number = lanes.take()
        try:
            end = time.monotonic() + (1.5 if group[0].number == 0 else 0.05)
            _uninterrupted_sleep(end)
        finally:
            lanes.give(number)

    outcomes = run([Item(n) for n in range(6)], [Stage(name="network", work=work, workers=2)])
    assert failures(outcomes) == [0]


def _uninterrupted_sleep(end: float) -> None:
    """One call that nothing in Python ends early, as a network's layers are."""
    time.sleep(max(0.0, end - time.monotonic()))
