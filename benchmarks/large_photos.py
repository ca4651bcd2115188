"""Seconds and peak memory of ``mattecli matte`` on photos of 24 and 100 megapixels.

Makes its own photos, trimaps, plates and (random) weights; each run is a process of its own, so
that the peak is the whole command's: decode, network, colours, encode.

    python benchmarks/large_photos.py --models modnet bgmv2 --limits none 1GB
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file

from mattecli.models.registry import MODELS, model_class

PICTURES = Path(__file__).parent.parent / "tests" / "pictures"
SIZES = {24: (6000, 4000), 100: (11600, 8700)}
TRIMAP_MODELS = ("dim", "dim:segnet", "closed-form", "lbdm", "rw", "lkm")

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """Files of one size."""

    photo: Path
    trimap: Path
    spot: Path
    plate: Path


def make_scene(folder: Path, megapixels: int) -> Scene:
    """A portrait at its full size: enlarged, with grain and strands of hair of its own."""
    size = SIZES[megapixels]
    scene = Scene(*(folder / f"{megapixels}-{name}" for name in
                    ("photo.jpg", "trimap.png", "spot.png", "plate.jpg")))  # fmt: skip
    color = cv2.imread(str(PICTURES / "photos" / "astronaut.jpg"))
    mask = cv2.imread(str(PICTURES / "masks" / "astronaut.png"), cv2.IMREAD_GRAYSCALE)
    assert color is not None
    assert mask is not None
    plate = cv2.inpaint(color, cv2.dilate(mask, np.ones((15, 15), np.uint8)), 5, cv2.INPAINT_TELEA)
    cv2.imwrite(str(scene.plate), with_grain(cv2.resize(plate, size), seed=1))
    large = with_grain(cv2.resize(color, size, interpolation=cv2.INTER_CUBIC), seed=2)
    outline = cv2.resize(mask, size) > 127
    draw_strands(large, outline)
    cv2.imwrite(str(scene.photo), large, [cv2.IMWRITE_JPEG_QUALITY, 92])
    trimap = band_trimap(outline.astype(np.uint8), pixels=size[0] // 240)
    cv2.imwrite(str(scene.trimap), trimap)
    spot = np.where(outline, 255, 0).astype(np.uint8)
    row, column = (int(place[place.size // 2]) for place in np.nonzero(trimap == 128))
    here = np.s_[row - 60 : row + 60, column - 60 : column + 60]
    spot[here] = trimap[here]
    cv2.imwrite(str(scene.spot), spot)
    return scene


def with_grain(image: Image, seed: int) -> Image:
    """The image with noise, in place."""
    rng = np.random.default_rng(seed)
    for top in range(0, len(image), 512):
        part = image[top : top + 512]
        grain = rng.normal(0, 4, part.shape[:2]).astype(np.float32)[..., None]
        part[...] = np.clip(part + grain, 0, 255)
    return image


def draw_strands(image: Image, outline: npt.NDArray[np.bool_]) -> None:
    """Dark hairs that start at the subject's upper edge."""
    rng = np.random.default_rng(3)
    height, width = outline.shape
    for column in rng.integers(width // 4, 3 * width // 4, 600):
        rows = np.flatnonzero(outline[:, column])
        if rows.size:
            start = np.array([column, rows[0]])
            end = start + rng.integers((-width // 40, -height // 30), (width // 40, 1))
            cv2.line(image, start.tolist(), end.tolist(), (30, 35, 45), 2, cv2.LINE_AA)


def band_trimap(mask: Image, pixels: int) -> Image:
    """A trimap, unknown within ``pixels`` of the mask's edge."""
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * pixels + 1, 2 * pixels + 1))
    trimap = np.full(mask.shape, 128, np.uint8)
    trimap[cv2.dilate(mask, kernel) == 0] = 0
    trimap[cv2.erode(mask, kernel) == 1] = 255
    return trimap


def make_weights(folder: Path, model: str) -> list[str]:
    """Options that give a network random weights."""
    spec = MODELS[model]
    if spec.kind == "classical":
        return []
    path = folder / f"{spec.factory}{spec.variant}.safetensors"
    if not path.exists():
        torch.manual_seed(7)
        network = model_class(spec).fresh(spec.variant)
        state = {key: value.clone().contiguous() for key, value in network.state_dict().items()}
        save_file(state, path)
    return ["--weights", str(path)]


def measured(arguments: list[str]) -> tuple[float, float]:
    """Seconds, and gigabytes at the peak, of one run."""
    begin = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "mattecli", *arguments])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"mattecli {' '.join(arguments)} ended with {process.returncode}")
    unit = 1 if sys.platform == "darwin" else 1024
    return time.perf_counter() - begin, usage.ru_maxrss * unit / 1e9


def main() -> None:
    """Print one row for each size, model and limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=["modnet", "bgmv2", "dim", "closed-form"])
    parser.add_argument("--megapixels", nargs="+", type=int, default=[24, 100], choices=SIZES)
    parser.add_argument("--limits", nargs="+", default=["none", "1GB"])
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument(
        "--spot", action="store_true", help="a small unknown region: one or two tiles"
    )
    parser.add_argument("--keep", type=Path, help="make the files here, and leave them")
    chosen = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with tempfile.TemporaryDirectory() as temporary:
        folder = chosen.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for megapixels in chosen.megapixels:
            scene = make_scene(folder, megapixels)
            for model in chosen.models:
                show(folder, scene, model, chosen)


def show(folder: Path, scene: Scene, model: str, chosen: argparse.Namespace) -> None:
    """The rows of one model."""
    given = [str(scene.photo), "--model", model, *make_weights(folder, model)]
    if model in TRIMAP_MODELS:
        given += ["--trimap", str(scene.spot if chosen.spot else scene.trimap)]
    if "background" in MODELS[model].needs:
        given += ["--background", str(scene.plate)]
    for limit in chosen.limits:
        out = folder / f"{scene.photo.stem}-{model.replace(':', '-')}-{limit}.png"
        bound = [] if limit == "none" else ["--max-memory", limit]
        runs = [measured(["matte", *given, *bound, "-o", str(out)]) for _ in range(chosen.runs)]
        seconds, peak = (statistics.median(values) for values in zip(*runs, strict=True))
        print(
            f"{scene.photo.stem:10} {model:14} limit {limit:5} {seconds:7.1f} s {peak:6.2f} GB",
            flush=True,
        )


if __name__ == "__main__":
    main()
