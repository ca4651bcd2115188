"""One machine against Ray, and what very many photos cost besides their pixels.

    python benchmarks/cluster.py                          all parts
    python benchmarks/cluster.py overhead --rounds 5      one of: overhead nodes transfer pieces

Needs mattecli[ray]; `pieces` measures S3 too where moto and s3fs are installed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from statistics import median

import cv2
import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
KINDS = ["-w", "alpha", "-q"]


def make_photos(folder: Path, count: int) -> None:
    """Small pictures, 64 to 128 pixels a side, all different."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        width, height = (int(side) for side in rng.integers(64, 129, 2))
        small = rng.integers(0, 256, (5, 7, 3)).astype(np.uint8)
        picture = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"p{number}.png"), picture)


def run(folder: Path, out: str, *more: str) -> tuple[float, list[float]]:
    """Seconds of one run with two cores, and the memory of its first process as it went, in MB."""
    command = [sys.executable, "-m", "mattecli", "matte", "photos", "-o", out, *KINDS, *more]
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder)
    memory = []
    while process.poll() is None:
        memory.append(_resident(process.pid))
        time.sleep(0.25)
    if process.returncode:
        sys.exit(f"the run ended with {process.returncode}")
    return time.perf_counter() - begin, memory


def _resident(process: int) -> float:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmRSS")), 0.0)


def same(first: Path, second: Path) -> bool:
    """Whether two folders hold the same pictures, byte for byte."""
    contents = [
        {path.name: path.read_bytes() for path in folder.glob("*.png")}
        for folder in (first, second)
    ]
    return contents[0] == contents[1]


def overhead(folder: Path, photos: int, rounds: int) -> None:
    """Time runs here and through Ray, in turn, start-up included."""
    make_photos(folder / "photos", photos)
    ratios, memory = [], []
    for number in range(rounds):
        here, _ = run(folder, "here")
        away, memory = run(folder, "away", "--engine", "ray")
        ratios.append(away / here)
        print(
            f"round {number + 1}: here {here:.1f} s, Ray {away:.1f} s,"
            f" {photos / here:.1f} and {photos / away:.1f} photos a second, ratio {away / here:.2f}"
        )
    print(f"overhead of Ray over {photos} photos, median: {100 * (median(ratios) - 1):.0f} %")
    quarter = max(len(memory) // 4, 1)
    shares = [max(memory[turn * quarter : (turn + 1) * quarter]) for turn in (1, 2, 3)]
    print("driver's memory in the run's last three quarters, MB:", *(f"{m:.0f}" for m in shares))
    print("same bytes:", same(folder / "here", folder / "away"))


def nodes(folder: Path, photos: int) -> None:
    """Run on three nodes of one core each, one of which is killed half way."""
    if not (folder / "photos").exists():
        make_photos(folder / "photos", photos)
    if not (folder / "here").exists():
        run(folder, "here")
    cluster = subprocess.Popen(
        [sys.executable, ROOT / "tests" / "cluster_program.py", folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    address = cluster.stdout.readline().strip() if cluster.stdout else ""
    flags = ("--engine", "ray", "--ray-address", address, "--report", "nodes.jsonl")
    command = [sys.executable, "-m", "mattecli", "matte", "photos", "-o", "nodes", *KINDS, *flags]
    begin = time.perf_counter()
    process = subprocess.Popen(command, cwd=folder)
    killed = 0
    while process.poll() is None:
        there = len(list((folder / "nodes").glob("*.png"))) if (folder / "nodes").exists() else 0
        if there >= photos // 2 and not killed:
            (folder / "kill").touch()
            killed = there
        time.sleep(0.1)
    cluster.communicate("end\n")
    lines = [json.loads(line) for line in (folder / "nodes.jsonl").read_text().splitlines()]
    times = Counter(Counter(line["input"] for line in lines[:-1]).values())
    print(
        f"three nodes, one killed after {killed}: status {process.returncode},"
        f" {lines[-1]['done']} done of {lines[-1]['total']} in {time.perf_counter() - begin:.1f} s;"
        f" photos by number of records: {dict(times)}"
    )
    print("same bytes as here:", same(folder / "here", folder / "nodes"))


def transfer() -> None:
    """What a photo's pixels cost on their way from one process to another, through Ray."""
    import ray

    ray.init(address="local", logging_level="ERROR", include_dashboard=False, num_cpus=2)

    @ray.remote
    def make(photo: int) -> object:
        return np.full((3000, 4000, 3), photo, np.uint8)

    @ray.remote
    def touch(picture: object) -> int:
        return int(np.asarray(picture)[::64].sum() > 0)

    ray.get([touch.remote(make.remote(1)) for _ in range(4)])
    begin = time.perf_counter()
    ray.get([touch.remote(make.remote(number)) for number in range(40)])
    moved = (time.perf_counter() - begin) / 40
    begin = time.perf_counter()
    for number in range(40):
        np.full((3000, 4000, 3), number, np.uint8)[::64].sum()
    kept = (time.perf_counter() - begin) / 40
    ray.shutdown()
    print(
        f"12 megapixels: {1e3 * moved:.0f} ms a photo from task to task, {1e3 * kept:.0f} ms kept"
        " in one process; an alpha in float32 is larger by a third"
    )


def pieces(folder: Path) -> None:
    """What one photo costs besides its pixels, to be multiplied by their number."""
    from mattecli.jobs.journal import Journal
    from mattecli.jobs.matte_steps import MatteTask
    from mattecli.jobs.plan import OutputRule, plan_tasks
    from mattecli.media.report import as_json
    from mattecli.settings import InputOptions, OutputOptions

    count = 50_000
    many = folder / "many"
    many.mkdir()
    for number in range(count):
        (many / f"p{number}.jpg").touch()
    before, begin = _resident(os.getpid()), time.perf_counter()
    tasks = plan_tasks(
        MatteTask,
        InputOptions(inputs=(str(many),)),
        OutputOptions(output=str(folder / "out")),
        OutputRule(kinds=("alpha", "foreground"), folder="mattes", example=""),
        print,
    )
    planned = time.perf_counter() - begin
    memory = (_resident(os.getpid()) - before) / count * 1e6
    print(f"listing and naming: {1e6 * planned / count:.0f} us and {memory:.0f} bytes a photo")
    record = tasks[0].record("done")
    line = len(json.dumps({**as_json(record), "settings": {"model": "modnet", "options": {}}}))
    print(f"report: about {line + 700} bytes a photo, with settings")
    journal = Journal(folder / "journal.jsonl", {}, is_asked_for=True)
    journal.applied(tasks[:2000], OutputOptions())
    journal.open()
    begin = time.perf_counter()
    for task in tasks[:2000]:
        journal.add(task, task.record("done"))
    spent = time.perf_counter() - begin
    size = (folder / "journal.jsonl").stat().st_size / 2000
    print(f"journal: {1e6 * spent / 2000:.0f} us and {size:.0f} bytes a photo")
    _requests()


def _requests() -> None:
    """Requests to an S3 server on loopback: the program's own share of their time."""
    from tests.store_server import PLACE, new_bucket, s3_server

    os.environ |= PLACE
    with s3_server() as address:
        os.environ["AWS_ENDPOINT_URL"] = address
        with new_bucket(address) as bucket:
            from mattecli.media.stores.path import StorePath

            place = StorePath("s3:", bucket.name, "many")
            begin = time.perf_counter()
            for number in range(300):
                (place / f"p{number}").write_bytes(b"x" * 20_000)
            wrote = (time.perf_counter() - begin) / 300
            begin = time.perf_counter()
            for path in place.iterdir():
                path.read_bytes()
            read = (time.perf_counter() - begin) / 300
            print(f"S3 on loopback: {1e3 * wrote:.1f} ms to write 20 kB, {1e3 * read:.1f} to read")


def main() -> None:
    """The parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="all")
    parser.add_argument("--photos", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--size", help="what the network sees; small ones weigh Ray's part more")
    given = parser.parse_args()
    KINDS.extend(["--size", given.size] if given.size else [])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.part in ("all", "overhead"):
            overhead(folder, given.photos, given.rounds)
        if given.part in ("all", "nodes"):
            nodes(folder, given.photos)
        if given.part in ("all", "transfer"):
            transfer()
        if given.part in ("all", "pieces"):
            pieces(folder)


if __name__ == "__main__":
    main()
