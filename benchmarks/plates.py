"""How good `--model bgmv2` is on photos with plates whose alpha and colours are known.

    python benchmarks/plates.py --portraits FOLDER --backgrounds FOLDER [--weights FILE] [--align]

FOLDER of portraits holds ``image/`` and ``alpha/``. Each person is enlarged, put somewhere in a
picture of 1920x1080 over a part of a background, and photographed: noise on the photo; on the plate
noise of its own, up to 10 % more or less light, and a displacement of up to 2 pixels both ways.
One more picture of each background has nobody in it. All of it goes through the command line;
errors are means over the pictures, of the colours over pixels with alpha of 0.05 and more.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.foreground import decontaminated
from mattecli.ops.metrics import ImagePair, gradient_error, overlap

Array = npt.NDArray[Any]

WIDTH, HEIGHT = 1920, 1080
SHOWN = 0.05  # pixels with this much alpha count as seen


@dataclass(frozen=True)
class Layers:
    """A picture's truth: colours H,W,3 BGR levels, alpha H,W levels."""

    foreground: Array
    alpha: Array
    background: Array


def read(path: Path, flags: int = cv2.IMREAD_COLOR) -> Array:
    """A picture that must be there."""
    image = cv2.imread(str(path), flags)
    assert image is not None, path
    return np.asarray(image)


def person_over(portrait: Path, background: Array, rng: np.random.Generator) -> Layers:
    """A portrait, enlarged to 0.7 to 1.3 times the picture's height, over a background."""
    photo = read(portrait)
    alpha = read(portrait.parents[1] / "alpha" / portrait.name, cv2.IMREAD_GRAYSCALE)
    front = decontaminated(np.ascontiguousarray(photo[..., ::-1]), alpha)[..., ::-1]
    scale = rng.uniform(0.7, 1.3) * HEIGHT / alpha.shape[0]
    across = rng.uniform(0, WIDTH - alpha.shape[1] * scale)
    down = HEIGHT - alpha.shape[0] * scale if scale * alpha.shape[0] < HEIGHT else 0
    matrix = np.array(((scale, 0, across), (0, scale, down)))
    size, kind = (WIDTH, HEIGHT), cv2.INTER_CUBIC
    grown = cv2.warpAffine(alpha, matrix, size, flags=kind)
    colors = cv2.warpAffine(
        np.ascontiguousarray(front), matrix, size, flags=kind, borderMode=cv2.BORDER_REPLICATE
    )
    return Layers(colors, grown, background)


def part_of(path: Path, rng: np.random.Generator) -> Array:
    """A part of a background that fills the picture."""
    image = read(path)
    scale = max(WIDTH / image.shape[1], HEIGHT / image.shape[0]) * rng.uniform(1, 1.3)
    grown = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    top = int(rng.integers(grown.shape[0] - HEIGHT + 1))
    left = int(rng.integers(grown.shape[1] - WIDTH + 1))
    return grown[top : top + HEIGHT, left : left + WIDTH]


def photographed(layers: Layers, rng: np.random.Generator) -> tuple[Array, Array]:
    """The photo and its plate."""
    share = layers.alpha[..., None] / np.float32(255)
    photo = layers.background + share * (layers.foreground.astype(np.float32) - layers.background)
    matrix = np.array(((1, 0, rng.uniform(-2, 2)), (0, 1, rng.uniform(-2, 2))))
    moved = cv2.warpAffine(
        layers.background, matrix, (WIDTH, HEIGHT), borderMode=cv2.BORDER_REPLICATE
    )
    plate = moved * rng.uniform(0.9, 1.1)
    spread = rng.uniform(1, 5)
    noisy = (image + rng.normal(0, spread, image.shape) for image in (photo, plate))
    photo, plate = (np.rint(np.clip(image, 0, 255)).astype(np.uint8) for image in noisy)
    return photo, plate


def write(folder: Path, name: str, layers: Layers, rng: np.random.Generator) -> None:
    """The photo and the plate as files."""
    photo, plate = photographed(layers, rng)
    for part, image in (("photos", photo), ("plates", plate)):
        (folder / part).mkdir(exist_ok=True)
        cv2.imwrite(str(folder / part / f"{name}.png"), image, [cv2.IMWRITE_PNG_COMPRESSION, 1])


def matted(folder: Path, weights: Path | None, *, align: bool) -> None:
    """The command that is measured."""
    command = [sys.executable, "-m", "mattecli", "matte", folder / "photos", "--model", "bgmv2"]
    command += ["--background", folder / "plates", "-o", folder / "out"]
    command += ["-w", "alpha,foreground"]
    command += ["--weights", weights] if weights else []
    command += ["--align"] if align else []
    subprocess.run([str(word) for word in command], check=True)


def found(folder: Path, name: str) -> tuple[Array, Array]:
    """The alpha, 0..1, and the foreground colours, H,W,3 BGR, that were written."""
    alphas, cutouts = (
        next((folder / "out").glob(f"{name}*{kind}*.png")) for kind in ("alpha", "foreground")
    )
    alpha = read(alphas, cv2.IMREAD_UNCHANGED)
    assert alpha.ndim == 2
    return alpha / np.float32(np.iinfo(alpha.dtype).max), read(cutouts)


def main() -> None:
    """Prints a row for each picture, and the means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--backgrounds", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--align", action="store_true")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--keep", type=Path, help="folder for the pictures")
    given = parser.parse_args()
    portraits = sorted((given.portraits / "image").glob("*.webp"))
    portraits = portraits[:: max(1, len(portraits) // given.count)][: given.count]
    backgrounds = sorted(given.backgrounds.glob("*.jpg"))
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        truths: dict[str, Layers] = {}
        for index, portrait in enumerate(portraits):
            rng = np.random.default_rng(index)
            background = part_of(backgrounds[index % len(backgrounds)], rng)
            truths[f"{index:03d}"] = layers = person_over(portrait, background, rng)
            write(folder, f"{index:03d}", layers, rng)
        for index, path in enumerate(backgrounds):
            rng = np.random.default_rng(1000 + index)
            background = part_of(path, rng)
            nobody = Layers(background, np.zeros((HEIGHT, WIDTH), np.uint8), background)
            write(folder, f"empty{index:03d}", nobody, rng)
        matted(folder, given.weights, align=given.align)
        rows = []
        for name, layers in truths.items():
            alpha, colors = found(folder, name)
            truth = layers.alpha / np.float32(255)
            pair = ImagePair.of(alpha, truth)
            seen = truth >= SHOWN
            away = np.abs(colors[seen].astype(np.float32) - layers.foreground[seen])
            mad = float(np.abs(alpha - truth).mean()) * 1000
            rows.append((mad, gradient_error(pair) / 1000, overlap(pair, None), float(away.mean())))
            print(
                f"{name} MAD {mad:6.2f}  gradient {rows[-1][1]:7.2f}  IoU {rows[-1][2]:.4f}"
                f"  colours {rows[-1][3]:.2f} levels",
                flush=True,
            )
        shares = []
        for index in range(len(backgrounds)):
            alpha, _ = found(folder, f"empty{index:03d}")
            shares.append(float((alpha > SHOWN).mean()) * 100)
            print(f"empty{index:03d} {shares[-1]:.2f} % of pixels above {SHOWN}")
    mad, gradient, iou, away = np.mean(rows, axis=0)
    print(
        f"{len(rows)} pictures: MAD x 1000 {mad:.2f} "
        f"(median {np.median([r[0] for r in rows]):.2f}),"
        f" gradient {gradient:.2f}, IoU {iou:.4f}, foreground colours {away:.2f} levels\n"
        f"{len(shares)} without anybody: {np.mean(shares):.2f} % of pixels above {SHOWN}"
        f" (worst {max(shares):.2f})"
    )


if __name__ == "__main__":
    main()
