"""Compares mattecli with what users would take instead; see README.md beside this file."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent
MEGAPIXELS = 12
_WATCHED = """
import os, subprocess, sys, time
begin = time.perf_counter()
process = subprocess.Popen(sys.argv[1:], stdout=2)
_, status, usage = os.wait4(process.pid, 0)
print([time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss])
sys.exit(status != 0)
"""  # a process of its own: a child's peak begins with that of the process that started it
Measured = dict[str, list[dict[str, float]]]
"""Measurements by contestant, one a round."""


def main() -> None:
    """Measure what was asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3, help="of folders; networks do ten times")
    parser.add_argument("--weights", type=Path, help="MODNet's; random ones without")
    parser.add_argument("--only", choices=("networks", "alpha", "cut-outs", "foregrounds"))
    parser.add_argument(
        "--threads",
        type=int,
        default=0,
        help="of each network; with 1 the CPU column is exact even where other programs run",
    )
    parser.add_argument("--precision", default="auto", help="of mattecli in the folders")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mattecli-compare-") as folder:
        place = Path(folder)
        weights = options.weights or random_weights(place)
        parts: dict[str, Callable[[], Measured]] = {
            "networks": lambda: networks(place, weights, 10 * options.rounds, options.threads),
            "alpha": lambda: folders("alpha", place, weights, options),
            "cut-outs": lambda: folders("foreground", place, weights, options),
            "foregrounds": lambda: in_turn(
                {name: [name, str(MEGAPIXELS)] for name in ("PyMatting colours", "our colours")},
                options.rounds,
                options.threads,
            ),
        }
        for name in (options.only,) if options.only else parts:
            measured = parts[name]()
            text = json.dumps({name: measured}) + "\n" if options.json else table(name, measured)
            sys.stdout.write(text)
            sys.stdout.flush()


def random_weights(place: Path) -> Path:
    """A MODNet that knows nothing."""
    import torch

    from mattecli.models.modnet import MODNet
    from mattecli.models.weights import write_safetensors

    torch.manual_seed(0)
    write_safetensors(place / "random.safetensors", MODNet().state_dict(), {}, {})
    return place / "random.safetensors"


def onnx_file(place: Path, weights: Path, side: int) -> Path:
    """The same network as an ONNX file for square pictures."""
    path = place / f"modnet{side}.onnx"
    if path.exists():
        return path
    import torch

    from mattecli.models.registry import find_spec
    from mattecli.models.weights import load_network

    class Matte(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = load_network(find_spec("modnet"), weights).network

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            return self.network(image).matte

    with warnings.catch_warnings():  # about the exporter's age, and about instance norm
        warnings.simplefilter("ignore")
        torch.onnx.export(
            Matte().eval(),
            (torch.zeros(1, 3, side, side),),
            str(path),
            dynamo=False,
            opset_version=17,
            input_names=["input"],
            output_names=["output"],
        )
    return path


def networks(place: Path, weights: Path, rounds: int, threads: int) -> Measured:
    """One picture of 512x512 through each network."""
    names = ("eager float32", "eager bfloat16", "compiled float32", "form float32", "form bfloat16")
    commands = {name: [name, str(weights)] for name in names}
    model = onnx_file(place, weights, 512)
    commands["onnxruntime float32"] = ["onnxruntime float32", str(model)]
    return in_turn(commands, rounds, threads)


def in_turn(commands: dict[str, Sequence[str]], rounds: int, threads: int) -> Measured:
    """Contestants in processes of their own, one working at a time."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)} if threads else None
    workers = {
        name: subprocess.Popen(
            [sys.executable, str(HERE / "worker.py"), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for name, arguments in commands.items()
    }
    measured: Measured = {name: [] for name in workers}
    for number in range(rounds + 1):
        for name, worker in workers.items():
            worker.stdin.write("go\n")
            worker.stdin.flush()
            answer = json.loads(worker.stdout.readline())
            if number:  # the first answer waits until the contestant is ready
                measured[name].append(answer)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    return measured


def folders(kind: str, place: Path, weights: Path, options: argparse.Namespace) -> Measured:
    """Whole programs over a folder, with their start-up."""
    if not (place / "photos").exists():
        from mattecli.jobs.bench_photos import write_scenes

        write_scenes(place, MEGAPIXELS, options.photos)
    photos, output = str(place / "photos"), str(place / "out")
    model = str(onnx_file(place, weights, 320))
    os.environ["U2NET_HOME"] = str(place)  # rembg takes models from its own folder alone
    python = sys.executable
    ours = [python, "-m", "mattecli", "matte", photos, "--model", "modnet", "-q"]
    ours += ["-w", kind, "--refine", "none"]  # the others enlarge what the network found, too
    ours += ["--weights", str(weights), "--precision", options.precision, "-o", output]
    commands = {
        "rembg": [python, str(HERE / "rembg_way.py"), kind, photos, model, output],
        "mattecli": ours,
    }
    if kind == "alpha":
        authors = [python, str(HERE / "authors_way.py"), photos, str(weights), output]
        commands = {"the authors' way": authors, **commands}
    measured: Measured = {name: [] for name in commands}
    for _ in range(options.rounds):
        for name, command in commands.items():
            measured[name].append(timed(command, options.photos))
    return measured


def timed(command: Sequence[str], photos: int) -> dict[str, float]:
    """One run of a program: seconds a photo, share of the cores' time, peak memory."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", _WATCHED, *command], stdout=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise SystemExit(f"{command[:4]} failed")
    wall, cpu, peak = json.loads(done.stdout.splitlines()[-1])
    cores = len(os.sched_getaffinity(0))
    return {
        "wall": wall / photos,
        "cpu": cpu / photos,
        "busy": cpu / wall / cores,
        "peak_gb": peak / 1e6,
    }


def table(name: str, measured: Measured) -> str:
    """Medians; and for our own contestants the median ratio of their rounds to each other's."""
    ours = [who for who in measured if who.startswith(("form", "mattecli", "our"))]
    heads = "".join(f" {who} / it |" for who in ours)
    lines = [f"\n{name}\n", f"| | wall, ms | CPU, ms | cores busy | peak, GB |{heads}"]
    lines.append("|---|" + "---|" * (4 + len(ours)))
    for who, rounds in measured.items():
        cells = [f"{1e3 * median(r[key] for r in rounds):.1f}" for key in ("wall", "cpu")]
        for key, form in (("busy", "{:.0%}"), ("peak_gb", "{:.2f}")):
            cells.append(form.format(median(r[key] for r in rounds)) if key in rounds[0] else "")
        for mine in ours:
            pairs = zip(measured[mine], rounds, strict=True)
            cells.append(f"{median(a['wall'] / b['wall'] for a, b in pairs):.2f}")
        lines.append(f"| {who} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
