"""Kills runs at random moments, goes on with them, and compares with a run that nothing disturbed.

    python benchmarks/faults.py --kills 200 --seed 1

Runs of `matte`, `composite` and `video` over small inputs are ended by SIGKILL, SIGTERM or SIGINT,
several times in a row on the same folder, and then run to their end. After each kill no file under
a final name may differ from that of the undisturbed run; at the end all have to be there, to the
byte.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

_SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
_MOST_IN_A_ROW = 4
_PHOTOS = 30
_SECONDS = 300


@dataclass(frozen=True)
class Job:
    """A command that can be killed.

    Attributes:
        name: for people.
        arguments: of the program, without where outputs go.
        output: relative to the run's folder.
        again: options with which it goes on.
        share: of all kills.
    """

    name: str
    arguments: tuple[str, ...]
    output: str
    again: tuple[str, ...]
    share: float


JOBS = (
    Job("composite", ("composite", "cutouts", "-b", "teal"), "out/", ("--existing", "skip"), 0.5),
    Job("matte", ("matte", "photos", "--model", "modnet", "--size", "64"), "out/",
        ("--existing", "skip"), 0.25),
    Job("video", ("video", "clip.mp4", "--model", "modnet", "--size", "64", "-w", "alpha",
                  "--piece-frames", "10"), "out/clip.mkv", ("--resume",), 0.25),
)  # fmt: skip


class BrokenError(Exception):
    """Something was lost, or half written."""


def main() -> int:
    """Kill, go on, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", default="composite,matte,video")
    given = parser.parse_args()
    jobs = [job for job in JOBS if job.name in given.jobs.split(",")]
    total = sum(job.share for job in jobs)
    with tempfile.TemporaryDirectory(prefix="faults-") as name:
        folder = Path(name)
        _make_inputs(folder)
        for job in jobs:
            kills = max(1, round(given.kills * job.share / total))
            try:
                told = _campaign(job, folder, kills, random.Random(f"{given.seed} {job.name}"))
            except BrokenError as broken:
                print(f"{job.name}: BROKEN: {broken}", flush=True)
                return 1
            print(f"{job.name}: {told}", flush=True)
    return 0


def _make_inputs(folder: Path) -> None:
    import numpy as np

    from tests.conftest import photo, save
    from tests.video_clips import make_clip

    for number in range(_PHOTOS):
        image = photo(64, 64, seed=number)
        save(folder / "photos" / f"p{number}.jpg", image)
        save(folder / "cutouts" / f"p{number}.png", np.dstack([image, 255 - image[..., 0]]))
    make_clip(folder / "clip.mp4", frames=48, size=(64, 64))


def _campaign(job: Job, folder: Path, kills: int, rng: random.Random) -> str:
    """Kill a job so many times, in rounds; says what was seen."""
    begin = time.monotonic()
    quiet = folder / f"{job.name}-quiet"
    _to_the_end(job, folder, quiet)
    length = time.monotonic() - begin
    wanted = _finals(quiet / "out")
    seen: Counter[str] = Counter()
    round_ = 0
    while seen["kills"] < kills:
        place = folder / f"{job.name}-{round_}"
        for _ in range(min(rng.randint(1, _MOST_IN_A_ROW), kills - seen["kills"])):
            number = rng.choice(_SIGNALS)
            how = _killed(job, folder, place, number, length, rng)
            seen["kills"] += 1
            seen[number.name] += 1
            seen[how] += 1
            _compare(place / "out", wanted, is_end=False)
        _to_the_end(job, folder, place)
        _compare(place / "out", wanted, is_end=True)
        shutil.rmtree(place)
        round_ += 1
    counts = ", ".join(f"{count} {name}" for name, count in sorted(seen.items()))
    return f"{counts}; {round_} ends, all {len(wanted)} files the same in each"


def _command(job: Job, place: Path) -> list[str]:
    output = f"{place}/{job.output}"
    return [sys.executable, "-m", "mattecli", *job.arguments, "-o", output, *job.again]


def _environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "MATTECLI_HOME": str(folder / "home"),
        "OMP_NUM_THREADS": "1",
    }


def _to_the_end(job: Job, folder: Path, place: Path) -> None:
    (place / "out").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        _command(job, place), cwd=folder, env=_environment(folder), capture_output=True,
        text=True, errors="replace", check=False, timeout=_SECONDS,
    )  # fmt: skip
    if done.returncode:
        raise BrokenError(f"going on ended with {done.returncode}: {done.stderr[-500:]}")


def _killed(
    job: Job, folder: Path, place: Path, number: signal.Signals, length: float, rng: random.Random
) -> str:
    """Start the job and end it at a random moment; says how it went."""
    out = place / "out"
    out.mkdir(parents=True, exist_ok=True)
    before = _entries(out)
    with subprocess.Popen(
        _command(job, place), cwd=folder, env=_environment(folder), stderr=subprocess.PIPE,
        text=True, errors="replace",
    ) as process:  # fmt: skip
        if rng.random() < 0.75:  # at work, rather than at any time
            end = time.monotonic() + _SECONDS
            while process.poll() is None and _entries(out) == before and time.monotonic() < end:
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.15 * length))
        else:
            time.sleep(rng.uniform(0, length))
        if process.poll() is not None:
            return "too late"
        process.send_signal(number)
        words = process.communicate(timeout=_SECONDS)[1]
    expected = {0, 130, -number} if number is not signal.SIGKILL else {0, -number}
    if process.returncode not in expected or "Traceback" in words:
        raise BrokenError(f"{number.name} ended with {process.returncode}: {words[-800:]}")
    return "at work" if _entries(out) != before else "before the first output"


def _entries(folder: Path) -> list[str]:
    """Names below a folder, hidden ones too."""
    return sorted(str(path) for path in folder.rglob("*"))


def _finals(folder: Path) -> dict[str, bytes]:
    """All files under final names: neither hidden nor called partial."""
    return {
        path.name: path.read_bytes()
        for path in folder.iterdir()
        if path.is_file() and not path.name.startswith(".") and ".partial." not in path.name
    }


def _compare(folder: Path, wanted: dict[str, bytes], *, is_end: bool) -> None:
    found = _finals(folder)
    wrong = sorted(name for name, data in found.items() if wanted.get(name) != data)
    if wrong:
        raise BrokenError(f"not as in the undisturbed run: {', '.join(wrong[:5])}")
    if is_end and found.keys() != wanted.keys():
        raise BrokenError(f"missing: {', '.join(sorted(wanted.keys() - found.keys())[:5])}")


if __name__ == "__main__":
    sys.exit(main())
