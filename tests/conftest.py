"""Fixtures that several test files share."""

from __future__ import annotations

import os

# The networks of the tests are small: threads would wait for each other, here and in processes
# that tests start, and sums are the same on one thread only. Set before anything loads OpenMP, and
# for Numba too, which gives OpenMP its own number.
os.environ["OMP_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = "1"

import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from tests.store_server import PLACE, Bucket, new_bucket, s3_server

PICTURES = Path(__file__).parent / "pictures"
ROOT = Path(__file__).parent.parent

Rgb = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Result:
    """What a run of the command left."""

    code: int
    out: bytes
    err: str


Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def _no_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No setting of the user's reaches a test, and no test the user's weights."""
    for name in list(os.environ):
        if name.startswith("MATTECLI_") and name != "MATTECLI_PARITY":
            monkeypatch.delenv(name)
    monkeypatch.setenv("MATTECLI_HOME", str(tmp_path / "mattecli-home"))


@pytest.fixture
def shell(tmp_path: Path) -> Cli:
    """Runs the real program in its own process, in ``tmp_path``."""

    def run(*arguments: str | Path, stdin: bytes | None = None, timeout: float = 300) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "mattecli", *arguments],
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            cwd=tmp_path,
            timeout=timeout,
            check=False,
        )
        return Result(done.returncode, done.stdout, done.stderr.decode("utf-8", "replace"))

    return run


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> Cli:
    """Runs the program in this process, in ``tmp_path``, without a start-up to wait for."""
    import signal

    from mattecli.cli.app import run as run_command

    handlers = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)]
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str | Path) -> Result:
        capfdbinary.readouterr()
        try:
            code = run_command([os.fspath(argument) for argument in arguments])
        finally:
            for number, handler in handlers:
                signal.signal(number, handler)
        captured = capfdbinary.readouterr()
        return Result(code, captured.out, captured.err.decode("utf-8", "replace"))

    return run


@pytest.fixture(scope="session")
def modnet_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A MODNet with random weights, as a safetensors file."""
    import torch
    from safetensors.torch import save_file

    from mattecli.models.modnet import MODNet

    with torch.random.fork_rng():
        torch.manual_seed(7)
        network = MODNet()
    path = tmp_path_factory.mktemp("weights") / "modnet.safetensors"
    save_file({k: v.clone().contiguous() for k, v in network.state_dict().items()}, path)
    return path


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """An S3 server on loopback, one for each process of tests."""
    with s3_server() as address:
        yield address


@pytest.fixture
def bucket(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A new bucket, which the program reaches by the environment."""
    for name, value in PLACE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_address)
    with new_bucket(s3_address) as made:
        yield made


def photo(width: int, height: int, seed: int = 0) -> Rgb:
    """A smooth, asymmetric picture in RGB, with some texture."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (5, 7, 3)).astype(np.float32)
    smooth = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    noisy = smooth + rng.normal(0, 6, smooth.shape)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def save(path: Path, image: npt.NDArray[np.generic]) -> Path:
    """Write a picture (RGB order) with OpenCV, in the format of its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flipped = image if image.ndim == 2 else image[..., [2, 1, 0, *range(3, image.shape[2])]]
    ok, data = cv2.imencode(path.suffix, np.ascontiguousarray(flipped))
    assert ok
    path.write_bytes(data.tobytes())
    return path


def load(path: Path) -> npt.NDArray[np.generic]:
    """Read a picture as it is (RGB order) with OpenCV."""
    image = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
    assert image is not None
    return image if image.ndim == 2 else image[..., [2, 1, 0, *range(3, image.shape[2])]]


def outputs_in(folder: Path) -> list[Path]:
    """All that lies in a folder, hidden files too, but for a run's journal."""
    return sorted(path for path in folder.iterdir() if path.name != ".mattecli-journal.jsonl")
