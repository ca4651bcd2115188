"""Large photos in little memory, through the real command."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mattecli.engine.estimator import Photo
from mattecli.jobs.choice import make_model
from mattecli.jobs.workspace import Workspace
from mattecli.models.registry import find_spec, model_class
from mattecli.records import Size
from mattecli.settings import DeviceOptions, MatteOptions, ModelOptions
from tests.conftest import PICTURES, Cli, load, photo, save

_TIGHT = ("--max-memory", "900M", "--device", "cpu")
linux = pytest.mark.skipif(sys.platform != "linux", reason="limits as Linux keeps them")


@dataclass(frozen=True)
class Run:
    """What a run of the command left."""

    code: int
    err: str
    peak: int


# A process begins with the peak of the one that it was forked from: a small one lies in between.
_MEASURE = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:], stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""


@pytest.fixture
def limited(tmp_path: Path) -> Callable[..., Run]:
    """Runs the real program in its own process, in an address space of so many bytes."""

    def run(*arguments: str | Path, space: int | None = None) -> Run:
        def limit() -> None:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            if space is not None:
                resource.setrlimit(resource.RLIMIT_AS, (space, space))

        with (tmp_path / "err.txt").open("w+b") as err:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-S",
                    "-c",
                    _MEASURE,
                    sys.executable,
                    "-m",
                    "mattecli",
                    *arguments,
                ],
                cwd=tmp_path,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=err,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                preexec_fn=limit,  # noqa: PLW1509 - nothing but limits is set, before any thread
            )
            printed, _ = process.communicate()
            err.seek(0)
            return Run(process.returncode, err.read().decode(), int(printed) * 1024)

    return run


def weights(name: str, folder: Path) -> Path:
    """Random weights, as a safetensors file."""
    spec = find_spec(name)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        network = model_class(spec).fresh(spec.variant)
    path = folder / f"{spec.factory}.safetensors"
    save_file({k: v.clone().contiguous() for k, v in network.state_dict().items()}, path)
    return path


def portrait(folder: Path, width: int, height: int) -> None:
    """A photo, its plate, and a trimap whose unknown region is one spot of the outline."""
    image = cv2.resize(load(PICTURES / "photos" / "astronaut.jpg"), (width, height))
    mask = cv2.resize(load(PICTURES / "masks" / "astronaut.png"), (width, height))
    save(folder / "p.png", image)
    save(folder / "p.jpg", image)
    save(folder / "plate.png", cv2.GaussianBlur(image, (0, 0), width / 60))
    trimap = np.where(mask > 127, 255, 0).astype(np.uint8)
    row = height * 2 // 3
    column = int(np.flatnonzero(trimap[row])[0])
    trimap[row - 20 : row + 20, column - 20 : column + 20] = 128
    save(folder / "trimap.png", trimap)


@linux
@pytest.mark.slow
def test_a_shell_s_limit_means_smaller_tiles_and_a_line_that_says_so(
    tmp_path: Path, limited: Callable[..., Run]
) -> None:
    portrait(tmp_path, 960, 960)
    given = (
        "matte", "p.png", "--model", "dim:segnet", "--trimap", "trimap.png", "-w", "alpha",
        "--weights", weights("dim:segnet", tmp_path), "--bit-depth", "16",
    )  # fmt: skip
    space = 1_700_000_000
    forced = limited(*given, "--tile", "960", "-o", "forced.png", space=space)
    assert forced.code == 0, forced.err
    assert "p.png: memory did not suffice for tiles of 960 pixels; went on with" in forced.err
    whole = limited(*given, "--tile", "off", "-o", "off.png", space=space)
    assert whole.code == 1
    assert not (tmp_path / "off.png").exists()
    (line,) = whole.err.splitlines()
    assert "memory does not suffice" in line
    assert "--tile auto" in line
    auto = limited(*given, "-o", "auto.png", space=space)  # plans for what there is
    assert auto.code == 0, auto.err
    assert auto.err == ""
    free = limited(*given, "-o", "free.png")
    assert free.code == 0, free.err
    unknown = load(tmp_path / "trimap.png") == 128
    truth = load(tmp_path / "free.png").astype(int)
    assert truth[unknown].std() > 20
    for name in ("forced.png", "auto.png"):
        found = load(tmp_path / name).astype(int)
        assert np.abs(found - truth)[unknown].mean() < 2e-3 * 65535
        assert np.array_equal(found[~unknown], truth[~unknown])


@linux
@pytest.mark.parametrize(
    ("model", "more"), [("modnet", ()), ("bgmv2", ("--background", "plate.png"))]
)
def test_max_memory_gives_the_same_file(
    tmp_path: Path, limited: Callable[..., Run], model: str, more: tuple[str, ...]
) -> None:
    portrait(tmp_path, 5000, 4000)
    given = ("matte", "p.jpg", "--model", model, "--weights", weights(model, tmp_path), *more)
    free = limited(*given, "-o", "free.png", "-v")
    assert free.code == 0, free.err
    assert "memory: " in free.err
    assert "temporary files" not in free.err
    tight = limited(*given, "-o", "tight.png", "-v", "--max-memory", "700MB")
    assert tight.code == 0, tight.err
    assert "700 MB, the rest in temporary files" in tight.err
    assert (tmp_path / "tight.png").read_bytes() == (tmp_path / "free.png").read_bytes()
    assert tight.peak < min(700_000_000 * 1.1, free.peak * 0.9)


def test_a_larger_size_counts(cli: Cli, tmp_path: Path) -> None:
    """For the network's part, as long as that leaves room for photos."""
    save(tmp_path / "p.png", photo(60, 40))
    given = ("matte", "p.png", "-v", "--workers", "1", "--device", "cpu", "--max-memory", "1.5GB")
    said = [cli(*given, "--size", size, "-o", f"{size}/").err for size in ("416", "928")]
    small, large = (float(text.partition("memory: ")[2].partition(" MB")[0]) for text in said)
    assert small + 30 < large < 1000


def test_so_many_photos_at_once_as_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    """And each with as many threads as it would have had, from which its digits follow."""
    monkeypatch.setattr(torch, "get_num_threads", lambda: 8)
    threads: list[int] = []
    monkeypatch.setattr("mattecli.engine.predict.use_threads", threads.append)
    spec, on_cpu = find_spec("modnet"), DeviceOptions(device="cpu")
    with Workspace("1.2GB") as workspace:
        for size, lanes in ((1100, 1), (416, 4)):
            options = MatteOptions(model=ModelOptions(size=size), device=on_cpu)
            estimator = make_model(spec, options, workspace, lanes=4).estimator
            assert estimator.lanes == lanes
            small = Photo(color=np.zeros((32, 32, 3), np.float32), full=Size(32, 32))
            estimator.estimate([estimator.prepare(small)])
        assert threads == [2, 2]
        assert workspace.reserve(10**8, 16, 416) == 5
        assert workspace.pixels >= 5 * 2_000_000  # what is in the network, and as much around it
        assert workspace.reserve(0, 16, None) == 16


@linux
@pytest.mark.parametrize(("model", "size"), [("modnet", 704), ("shm", 576)])
def test_max_memory_holds_at_a_larger_size(
    tmp_path: Path, limited: Callable[..., Run], model: str, size: int
) -> None:
    portrait(tmp_path, 1500, 1000)
    given = ("matte", "p.jpg", "--model", model, "--workers", "1", "--size", str(size))
    done = limited(*given, "--device", "cpu", "-o", "out.png", "--max-memory", "800MB")
    assert done.code == 0, done.err
    assert done.peak < 800_000_000


def test_tiles_by_option_environment_and_file(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    portrait(tmp_path, 300, 260)
    given = ("matte", "p.png", "--model", "closed-form", "--trimap", "trimap.png", "-v")
    assert "tile 220, overlap 50" in cli(*given, "--tile", "220", "--overlap", "50").err
    (tmp_path / "m.toml").write_text('tile = "230"\nmax-memory = "2GB"\n[matte]\noverlap = 40\n')
    told = cli(*given, "--config", "m.toml").err
    assert "tile 230, overlap 40" in told
    assert "of 2.0 GB" in told
    monkeypatch.setenv("MATTECLI_TILE", "240")
    assert "tile 240" in cli(*given).err


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("--model", "modnet", "--tile", "512"), "--tile is not for"),
        (("--model", "modnet", "--overlap", "9"), "--overlap is not for"),
        (("--model", "knn", "--trimap", "t.png", "--tile", "512"), "--tile is not for"),
        (("--model", "closed-form", "--trimap", "t.png", "--tile", "big"), "no size"),
        (("--model", "closed-form", "--trimap", "t.png", "--tile", "90"), "no room"),
        (("--model", "closed-form", "--trimap", "t.png", "--overlap", "-3"), "overlap"),
        (("--model", "modnet", "--max-memory", "lots"), "no size"),
        (("--model", "modnet", "--max-memory", "9MB"), "less than the program"),
        (("--model", "modnet", "--size", "2048", *_TIGHT), "short side of 2048 take"),
        (("--model", "shm", "--set", "short_side=1500", *_TIGHT), "of 1500 take"),
    ],
)
def test_what_makes_no_sense_is_usage(
    cli: Cli, tmp_path: Path, arguments: tuple[str, ...], word: str
) -> None:
    save(tmp_path / "p.png", photo(40, 30))
    save(tmp_path / "t.png", np.full((30, 40), 128, np.uint8))
    done = cli("matte", "p.png", *arguments)
    assert done.code == 2, done.err
    assert word in done.err
    assert done.err.count("\n") == 1
