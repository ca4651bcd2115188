"""Feeds broken files to everything that reads files, with bounds on time and memory for each.

    python benchmarks/fuzz.py --minutes 8 --seed 1
    python benchmarks/fuzz.py --targets decoder,checkpoint --minutes 30 --keep findings/

Findings are a process that dies, an exception that is no refusal in one line, more than
``--seconds`` for one input, and more than ``--megabytes`` of new memory. Each is kept as a file,
cut down as far as it still shows the same. Data that are refused in a new way become seeds.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
_ALL = "image,decoder,levels,checkpoint,config,list,journal,container"
_MOST_SEEDS = 400
_TRIES_TO_SHORTEN = 150


@dataclass
class Tally:
    """What one target has seen."""

    tried: int = 0
    fine: int = 0
    refusals: Counter[str] = field(default_factory=Counter)
    findings: dict[str, str] = field(default_factory=dict)
    slowest: float = 0.0
    cpu: float = 0.0


def main() -> int:
    """Fuzz each target for its share of the time."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--targets", default=_ALL)
    parser.add_argument("--keep", type=Path, default=Path("findings"))
    parser.add_argument(
        "--seconds", type=float, default=10, help="of CPU time, bound for one input"
    )
    parser.add_argument("--megabytes", type=int, default=1000, help="bound for one input")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.worker:
        return _work(given)
    targets = given.targets.split(",")
    found = 0
    for target in targets:
        tally = _run(target, given, 60 * given.minutes / len(targets))
        found += len(tally.findings)
        print(
            f"{target}: {tally.tried} inputs, {tally.fine} read, {len(tally.refusals)} kinds of"
            f" refusal, slowest {tally.slowest:.2f} s, {tally.cpu:.0f} s of CPU time,"
            f" {len(tally.findings)} findings",
            flush=True,
        )
        for name, why in tally.findings.items():
            print(f"  {given.keep / name}: {why}", flush=True)
    return 1 if found else 0


def _run(target: str, given: argparse.Namespace, seconds: float) -> Tally:
    """Workers one after the other: one that dies is a finding, and the next goes on."""
    tally = Tally()
    end = time.monotonic() + seconds
    given.keep.mkdir(parents=True, exist_ok=True)
    round_ = 0
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        folder = Path(name)
        while (left := end - time.monotonic()) > 0:
            code = _one_worker(target, given, folder, (left, given.seed * 1000 + round_))
            _take_over(tally, folder / "tally.json")
            if code != 0:
                _keep(tally, target, given, (folder / "current").read_bytes(), f"died: {code}")
            round_ += 1
    return tally


def _one_worker(
    target: str, given: argparse.Namespace, folder: Path, how: tuple[float, int]
) -> int:
    request = {"target": target, "seconds": how[0], "seed": how[1], "folder": str(folder)}
    (folder / "tally.json").unlink(missing_ok=True)
    (folder / "current").write_bytes(b"")
    return subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "--worker", json.dumps(request),
         "--seconds", str(given.seconds), "--megabytes", str(given.megabytes),
         "--keep", str(given.keep)],
        stderr=subprocess.DEVNULL, check=False,
        env={**os.environ, "MATTECLI_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"},
    ).returncode  # fmt: skip


def _take_over(tally: Tally, path: Path) -> None:
    if not path.exists():
        return
    told = json.loads(path.read_text())
    tally.tried += told["tried"]
    tally.fine += told["fine"]
    tally.refusals.update(told["refusals"])
    tally.findings.update(told["findings"])
    tally.slowest = max(tally.slowest, told["slowest"])
    tally.cpu += told["cpu"]


class TooSlow(BaseException):
    """One input takes too long."""


def _alarm(_number: int, _frame: FrameType | None) -> None:
    raise TooSlow


def _work(given: argparse.Namespace) -> int:
    """Body of a worker."""
    from tests.fuzz_seeds import mutated, png_mask, seeds

    request = json.loads(given.worker)
    target, folder = request["target"], Path(request["folder"])
    rng = random.Random(request["seed"])
    (folder / "m.png").write_bytes(png_mask())
    signal.signal(signal.SIGPROF, _alarm)
    pool = seeds(target)
    tally, seen = Tally(), set[str]()
    for data in pool:
        how, why = _judged(target, data, folder, given)
        if how == "finding":
            raise AssertionError(f"a sound file is refused: {why}")
    end = time.monotonic() + request["seconds"]
    saved = time.monotonic()
    while time.monotonic() < end:
        data = mutated(rng.choice(pool), pool, rng)
        (folder / "current").write_bytes(data)
        begin = time.process_time()
        how, why = _judged(target, data, folder, given)
        tally.tried += 1
        tally.slowest = max(tally.slowest, time.process_time() - begin)
        if how == "finding":
            _keep(tally, target, given, _shortened(target, data, why, folder, given), why)
        elif how == "fine":
            tally.fine += 1
        else:
            kind = re.sub(r"[0-9a-fx]*\d[0-9a-fx]*|'[^']*'|\([^)]*\)", "#", why)[:120]
            tally.refusals[kind] += 1
            if kind not in seen and len(pool) < _MOST_SEEDS:
                seen.add(kind)
                pool.append(data)
        if time.monotonic() - saved > 2:
            saved = time.monotonic()
            _save(tally, folder)
    _save(tally, folder)
    return 0


def _save(tally: Tally, folder: Path) -> None:
    tally.cpu = sum(os.times()[:4])
    temporary = folder / "tally.tmp"
    temporary.write_text(json.dumps(tally.__dict__))
    temporary.replace(folder / "tally.json")


def _judged(target: str, data: bytes, folder: Path, given: argparse.Namespace) -> tuple[str, str]:
    """``fine``, ``refused`` or ``finding``, with words."""
    from tests.fuzz_targets import outcome

    before = _peak()
    signal.setitimer(signal.ITIMER_PROF, given.seconds)
    try:
        words = outcome(target, data, folder)
    except TooSlow:
        return "finding", f"takes more than {given.seconds:g} s"
    except Exception as error:  # noqa: BLE001 - what is looked for
        signal.setitimer(signal.ITIMER_PROF, 0)
        place = traceback.extract_tb(error.__traceback__)[-1]
        return (
            "finding",
            f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}: {error}"[:300],
        )
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    if _peak() - before > given.megabytes << 20:
        return "finding", f"takes {(_peak() - before) >> 20} MB"
    if "its decoder was ended by" in words or "its decoder failed" in words:
        return "finding", words
    return ("fine", "") if words == "fine" else ("refused", words)


def _peak() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _shortened(
    target: str, data: bytes, why: str, folder: Path, given: argparse.Namespace
) -> bytes:
    """The same finding in fewer bytes, as far as a few tries get."""
    same = why.split(":", maxsplit=1)[0]
    step = max(1, len(data) // 2)
    tries = 0
    while step >= 1 and tries < _TRIES_TO_SHORTEN:
        at = 0
        while at < len(data) and tries < _TRIES_TO_SHORTEN:
            shorter = data[:at] + data[at + step :]
            tries += 1
            (folder / "current").write_bytes(shorter)
            if shorter and _judged(target, shorter, folder, given)[1].split(":")[0] == same:
                data = shorter
            else:
                at += step
        step //= 2
    return data


def _keep(tally: Tally, target: str, given: argparse.Namespace, data: bytes, why: str) -> None:
    if any(why.split(":")[:2] == other.split(":")[:2] for other in tally.findings.values()):
        return
    name = f"{target}-{hashlib.sha256(data).hexdigest()[:12]}"
    (given.keep / name).write_bytes(data)
    tally.findings[name] = why


if __name__ == "__main__":
    sys.exit(main())
