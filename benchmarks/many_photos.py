"""Twenty thousand small photos in one run: memory, the report, and time besides the network's.

    python benchmarks/many_photos.py --photos 20000

The network sees a short side of 32. Its own time is measured alone, as the command runs it, in as
many lanes; what the run took beyond that and its start-up is overhead. CPU time is told, too: it
does not count what other programs take of the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
_DIFFERENT = 50
_SIDE = 32

_NETWORK = """
import sys, time, torch, numpy as np
from concurrent.futures import ThreadPoolExecutor
from mattecli.engine.estimator import Photo
from mattecli.engine.predict import NetworkEstimator
from mattecli.models.registry import find_spec
from mattecli.models.weights import load_network
from mattecli.records import Size
from mattecli.settings import DeviceOptions

count, side = int(sys.argv[1]), int(sys.argv[2])
loaded = load_network(find_spec("modnet"))
lanes = torch.get_num_threads()
network = NetworkEstimator(loaded.network, loaded.spec, DeviceOptions(), size=side, lanes=lanes)
color = np.zeros((40, 48, 3), np.uint8)
prepared = network.prepare(Photo(color=color, full=Size(48, 40)))

def estimate(_number):
    network.estimate([prepared])

with ThreadPoolExecutor(lanes) as pool:
    list(pool.map(estimate, range(50)))
    wall, cpu = time.perf_counter(), time.process_time()
    list(pool.map(estimate, range(count)))
print((time.perf_counter() - wall) / count, (time.process_time() - cpu) / count)
"""


def main() -> int:
    """Make the photos, run, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="many-") as name:
        folder = Path(name)
        _make_photos(folder / "photos", given.photos)
        one = _run(folder, folder / "photos" / "p0.jpg")
        many = _run(folder, folder / "photos")
        network = _network_seconds()
        _print(given.photos, one, many, network)
        return _check(folder, given.photos)


def _make_photos(folder: Path, count: int) -> None:
    from tests.conftest import photo, save

    first = [save(folder / f"p{n}.jpg", photo(48, 40, seed=n)) for n in range(_DIFFERENT)]
    for number in range(_DIFFERENT, count):
        os.link(first[number % _DIFFERENT], folder / f"p{number}.jpg")


class Run:
    """A run of the program, watched."""

    def __init__(self, command: list[str], folder: Path) -> None:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        begin = time.monotonic()
        self.resident: list[int] = []
        with subprocess.Popen(command, cwd=folder, stderr=subprocess.DEVNULL) as process:
            watch = threading.Thread(target=self._watch, args=(process,))
            watch.start()
            self.status = process.wait()
            watch.join()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.seconds = time.monotonic() - begin
        self.cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        path = Path(f"/proc/{process.pid}/statm")
        while process.poll() is None:
            try:
                pages = int(path.read_text().split()[1])
            except (OSError, IndexError):
                return
            self.resident.append(pages * resource.getpagesize())
            time.sleep(0.2)


def _run(folder: Path, source: Path) -> Run:
    return Run(
        [sys.executable, "-m", "mattecli", "matte", str(source), "--model", "modnet",
         "--size", str(_SIDE), "-w", "alpha", "-o", "out/", "--report", "report.jsonl", "-q"],
        folder,
    )  # fmt: skip


def _network_seconds() -> dict[str, float]:
    """What a photo costs the network alone, in as many lanes as the command has."""
    done = subprocess.run(
        [sys.executable, "-c", _NETWORK, "1000", str(_SIDE)],
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(zip(("wall", "CPU"), map(float, done.stdout.split()), strict=True))


def _print(count: int, one: Run, many: Run, network: dict[str, float]) -> None:
    load = os.getloadavg()
    print(f"load averages {load[0]:.1f} {load[1]:.1f} {load[2]:.1f}, {os.cpu_count()} cores")
    print(f"{count} photos: {many.seconds:.1f} s, {many.cpu:.1f} s of CPU time")
    print(f"one photo (start-up): {one.seconds:.1f} s, {one.cpu:.1f} s of CPU time")
    for name, whole in (("wall", many.seconds - one.seconds), ("CPU", many.cpu - one.cpu)):
        each = whole / count
        beyond = each - network[name]
        print(
            f"{name}: {1000 * each:.2f} ms a photo, {1000 * beyond:.2f} ms beyond the network's"
            f" {1000 * network[name]:.2f} ms"
        )
    fifths = [max(part) / 1e6 for part in _fifths(many.resident)]
    print("memory, most in each fifth of the run: " + ", ".join(f"{x:.0f} MB" for x in fifths))


def _fifths(values: list[int]) -> list[list[int]]:
    step = max(1, len(values) // 5)
    return [values[at : at + step] for at in range(0, step * 5, step) if values[at : at + step]]


def _check(folder: Path, count: int) -> int:
    *records, summary = [
        json.loads(line) for line in (folder / "report.jsonl").read_text().splitlines()
    ]
    statuses = Counter(record["status"] for record in records)
    names = {record["input"] for record in records}
    written = sum(1 for path in (folder / "out").glob("p*-alpha.png"))
    print(f"report: {len(records)} records, {dict(statuses)}, summary of {summary['total']}")
    print(f"outputs: {written}", flush=True)
    return 0 if len(names) == summary["done"] == written == count else 1


if __name__ == "__main__":
    sys.exit(main())
