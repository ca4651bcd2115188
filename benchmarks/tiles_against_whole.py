"""Every trimap and background model in tiles against the whole photo: difference and seams.

Photos lie in FOLDER/image, their alphas under the same names in FOLDER/alpha. Networks get random
weights, which look farther than trained ones do, unless --weights names files.

    python benchmarks/tiles_against_whole.py FOLDER --photos 12
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from mattecli.engine.alternatives import SolverEstimator
from mattecli.engine.bands import BandEstimator
from mattecli.engine.estimator import Estimator, Photo
from mattecli.engine.memory import Memory
from mattecli.engine.predict import NetworkEstimator
from mattecli.engine.tiles import TileEstimator
from mattecli.models.base import MattingModel
from mattecli.models.registry import find_spec, model_class
from mattecli.models.spec import ModelSpec
from mattecli.models.weights import load_network
from mattecli.ops.pixels import Float32
from mattecli.ops.tiling import TileShape, tiles
from mattecli.ops.trimap import UNKNOWN, TrimapOptions, make_trimap
from mattecli.records import Size
from mattecli.settings import DeviceOptions

Levels = npt.NDArray[np.uint8]


STRIP = 96  # rows of a photo that the slow networks see
SETTINGS = {
    "dim": ((512, 228), (512, 170), (320, 106)),
    "dim:segnet": ((512, 174), (384, 128)),
    "closed-form": ((256, 96), (320, 96)),
    "lbdm": ((256, 96), (320, 96)),
    "lkm": ((320, 96),),
    "rw": ((512, 160), (384, 96)),
}
BACKGROUND_MODELS = ("bgmv2", "bgmv2:resnet50", "bgmv2:resnet101")


@dataclass(frozen=True)
class Scene:
    """One photo, upright or lying, with what models need."""

    color: Levels
    trimap: Levels
    plate: Levels

    def strip(self) -> Scene:
        """The rows with the most unknown pixels."""
        counts = np.convolve((self.trimap == UNKNOWN).sum(axis=1), np.ones(STRIP), "valid")
        rows = slice(int(counts.argmax()), int(counts.argmax()) + STRIP)
        return Scene(
            *(np.ascontiguousarray(i[rows]) for i in (self.color, self.trimap, self.plate))
        )


def read_scene(image: Path) -> Scene:
    """A photo, its long side across."""
    color = cv2.imread(str(image), cv2.IMREAD_COLOR_RGB)
    alpha = cv2.imread(str(image.parent.parent / "alpha" / image.name), cv2.IMREAD_GRAYSCALE)
    assert color is not None
    assert alpha is not None
    if color.shape[0] > color.shape[1]:
        color, alpha = np.rot90(color).copy(), np.rot90(alpha).copy()
    trimap = make_trimap(alpha, TrimapOptions(dilate=12, erode=8))
    plate = cv2.inpaint(color, (trimap > 0).astype(np.uint8), 3, cv2.INPAINT_TELEA)
    return Scene(color, trimap, plate)


def network(spec: ModelSpec, weights: Path | None) -> MattingModel:
    """With the weights of a file, or random ones."""
    if weights is not None:
        return load_network(spec, weights).network
    torch.manual_seed(3)
    return model_class(spec).fresh(spec.variant).eval()


def alpha_of(estimator: Estimator, scene: Scene) -> Float32:
    """Alpha at full size; written with 16 bits, it would show differences above 1.5e-5."""
    given = Photo(
        color=scene.color, full=Size.of(scene.color), trimap=scene.trimap, background=scene.plate
    )
    (matte,) = estimator.estimate([estimator.prepare(given)])
    return estimator.restore(matte, given.full).alpha


def seam(found: Float32, whole: Float32, unknown: npt.NDArray[np.bool_], shape: TileShape) -> float:
    """The largest step that tiling adds where tiles begin, fade in or end, divided by the 99.9th
    percentile of the alpha's own steps elsewhere."""
    worst = 0.0
    for axis in (0, 1):
        added, own = (np.abs(np.diff(image, axis=axis)) for image in (found - whole, whole))
        inside = np.take(unknown, range(1, unknown.shape[axis]), axis)
        at = np.zeros(added.shape, np.bool_)
        for tile in tiles(Size.of(whole), shape):
            span = tile.columns if axis else tile.rows
            for edge in {span.start, *span.rise, *span.fall, span.stop} - {0, whole.shape[axis]}:
                at[(slice(None),) * axis + (slice(edge - 1, edge + 1),)] = True
        if (at & inside).any():
            worst = max(worst, added[at & inside].max() / np.quantile(own[~at & inside], 0.999))
    return float(worst)


def main() -> None:
    """Print one row for each model and setting: the worst photo, and the mean over photos."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--photos", type=int, default=12)
    parser.add_argument("--models", nargs="+", default=[*SETTINGS, *BACKGROUND_MODELS])
    parser.add_argument("--weights", nargs="*", default=[], metavar="MODEL=FILE")
    chosen = parser.parse_args()
    weights = {name: Path(path) for name, _, path in (w.partition("=") for w in chosen.weights)}
    images = sorted((chosen.folder / "image").iterdir())
    scenes = [read_scene(path) for path in images[:: len(images) // chosen.photos][: chosen.photos]]
    for name in chosen.models:
        spec = find_spec(name)
        if name in BACKGROUND_MODELS:
            compare_bands(spec, network(spec, weights.get(name)), scenes)
        else:
            compare_tiles(spec, scenes, weights.get(name))


def compare_tiles(spec: ModelSpec, scenes: list[Scene], weights: Path | None) -> None:
    """Rows of a trimap model."""
    if spec.kind == "network":
        loaded = network(spec, weights)
        scenes = [scene.strip() for scene in scenes]

    def made(**options: Any) -> Estimator:
        device = DeviceOptions(device="cpu" if spec.kind == "network" else "auto", **options)
        if spec.kind == "classical":
            return SolverEstimator(spec, 1, device, Memory())
        return TileEstimator(NetworkEstimator(loaded, spec, device), spec, device, Memory())

    wholes = [alpha_of(made(tile="off"), scene) for scene in scenes]
    for side, overlap in SETTINGS[spec.name]:
        shape = TileShape(side=side, overlap=overlap, grid=spec.grid)
        means, most, seams = [], [], []
        for scene, whole in zip(scenes, wholes, strict=True):
            found = alpha_of(made(tile=str(side), overlap=overlap), scene)
            unknown = scene.trimap == UNKNOWN
            means.append(np.abs(found - whole)[unknown].mean())
            most.append(np.abs(found - whole).max())
            seams.append(seam(found, whole, unknown, shape))
        show(f"{spec.name} {side}/{overlap}", means, most, seams)


def compare_bands(spec: ModelSpec, loaded: MattingModel, scenes: list[Scene]) -> None:
    """The row of a background model."""
    device = DeviceOptions(device="cpu")
    inner = NetworkEstimator(loaded, spec, device)
    bands = BandEstimator(inner, Memory(), deep=True)
    means, most = [], []
    for scene in scenes:
        difference = np.abs(alpha_of(bands, scene) - alpha_of(inner, scene))
        means.append(difference.mean())
        most.append(difference.max())
    show(f"{spec.name} bands", means, most, [])


def show(title: str, means: list[Any], most: list[Any], seams: list[float]) -> None:
    """One row."""
    seam_text = f"worst seam {max(seams):.1e} of the percentile" if seams else ""
    print(
        f"{title:22} mean {np.mean(means):.2e} worst {max(means):.1e} largest {max(most):.1e}"
        f" {seam_text}",
        flush=True,
    )


if __name__ == "__main__":
    main()
