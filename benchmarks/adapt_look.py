"""What ``mattecli adapt`` gains on photos of a look that the network was not trained on.

    python benchmarks/adapt_look.py DATA WORK
    python benchmarks/adapt_look.py DATA WORK darker

DATA holds ``train`` and ``val``, each with ``image`` and ``alpha``. Photos are made dark and
tinted: 30 of ``train``, without their alphas, are adapted to; 60 of ``val`` are scored before and
after.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

ADAPTED, SCORED = 30, 60


@dataclass(frozen=True)
class Look:
    """``gains`` are of blue, green and red; ``noise`` is in levels."""

    gamma: float
    gains: tuple[float, float, float]
    noise: float


LOOKS = {
    "dark": Look(1.8, (0.75, 0.5, 0.38), 4.0),  # a room lit by a screen at night
    "darker": Look(2.6, (0.7, 0.35, 0.22), 8.0),
}


def main() -> None:
    """Make the look, adapt, and print the scores."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--epochs", default="10")
    parser.add_argument("--rate", default="1e-5")
    parser.add_argument("look", nargs="?", choices=LOOKS, default="dark")
    arguments = parser.parse_args()
    data, work = arguments.data, arguments.work
    if work.exists():
        parser.error(f"{work} is there already; name a new folder")
    look = LOOKS[arguments.look]
    make_look(look, spread(data / "train" / "image", ADAPTED), work / "unlabelled")
    make_look(look, spread(data / "val" / "image", SCORED), work / "scored")
    truth = data / "val" / "alpha"
    before = score(work / "scored", truth, work / "before")
    mattecli(
        *("adapt", str(work / "unlabelled"), "-o", str(work / "run"), "-q"),
        *("--epochs", arguments.epochs, "--rate", arguments.rate),
    )
    weights = str(work / "run" / "weights.safetensors")
    after = score(work / "scored", truth, work / "after", "--weights", weights)
    for metric in ("mad", "mse", "grad", "iou"):
        print(f"{metric}: {before[metric]:.4g} before, {after[metric]:.4g} after")


def spread(folder: Path, count: int) -> list[Path]:
    """``count`` files from all over a folder."""
    files = sorted(folder.iterdir())
    return files[:: max(1, len(files) // count)][:count]


def make_look(look: Look, photos: list[Path], folder: Path) -> None:
    """Write ``photos`` dark, tinted and noisy."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(1)
    for path in photos:
        photo = cv2.imread(str(path), cv2.IMREAD_COLOR).astype(np.float64) / 255
        dark = photo**look.gamma * look.gains * 255 + rng.normal(0, look.noise, photo.shape)
        cv2.imwrite(
            str(folder / f"{path.stem}.png"), np.clip(np.rint(dark), 0, 255).astype(np.uint8)
        )


def score(photos: Path, truth: Path, mattes: Path, *options: str) -> dict[str, float]:
    """Mean scores of the portrait model on ``photos``."""
    mattecli("matte", str(photos), "-w", "alpha", "-o", str(mattes), "-q", *options)
    chosen = mattes.with_name(f"{mattes.name}-truth")
    chosen.mkdir()
    for path in truth.iterdir():  # only the truths of the photos that were made
        if (photos / f"{path.stem}.png").exists():
            shutil.copy(path, chosen)
    printed = mattecli("evaluate", str(mattes), str(chosen), "--json")
    means: dict[str, float] = json.loads(printed.splitlines()[-1])["means"]
    return means


def mattecli(*arguments: str) -> str:
    """Run the program; what it wrote to standard output."""
    command = [sys.executable, "-m", "mattecli", *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
