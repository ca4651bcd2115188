"""How much of fine hair each ``--refine`` brings back, and what it costs.

    python benchmarks/refine.py --portraits FOLDER --backgrounds FOLDER
    python benchmarks/refine.py --portraits FOLDER --backgrounds FOLDER --weights modnet.safetensors

FOLDER of portraits holds ``image/`` and ``alpha/`` (see hair_scenes.py). Without ``--weights`` the
network's alpha is made from the truth: made small, blurred, and wrong in places; then also with
faults: a ghost in the background, a hole in the subject, hair that was not seen. With it, the
network runs. Gradient error (thousands) and MAD (thousandths) are over the whole photo; ratios are
to plain enlargement, means over the photos of their logarithms.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from hair_scenes import STYLES, make_scene, network_like

from mattecli.ops.metrics import ImagePair, gradient_error
from mattecli.ops.refine import band_trimap, enlarged_alpha, guided_alpha
from mattecli.records import Size

Array = npt.NDArray[Any]
Network = Callable[[Array], Array]


def fast_guided_filter(photo: Array, coarse: Array) -> Array:
    """The published fast guided filter (radius 4, epsilon 1e-4), for comparison."""
    from mattecli.ops import colour_model
    from mattecli.ops.enlarging import EnlargedPlanes

    full = Size.of(photo)
    small = cv2.resize(photo, Size.of(coarse), interpolation=cv2.INTER_AREA)
    planes = np.stack(cv2.split(small.astype(np.float32) / 255))
    kept, colour_model._REGULARISATION = colour_model._REGULARISATION, np.float32(1e-4)
    model = colour_model.fit_colour_model(planes, coarse, 4)
    colour_model._REGULARISATION = kept
    averaged = [cv2.blur(plane, (9, 9)) for plane in (*model.gain, model.offset)]
    *gain, alpha = EnlargedPlanes(np.stack(averaged), full).at(
        (slice(0, full.height), slice(0, full.width))
    )
    for plane, channel in zip(gain, cv2.split(photo), strict=True):
        alpha += plane * channel / 255
    return np.clip(alpha, 0, 1)


def closed_form(photo: Array, coarse: Array) -> Array:
    """``--refine closed-form``."""
    from mattecli.models.soft_closed_form import solve_band

    return solve_band(photo, guided_alpha(photo, coarse), band_trimap(coarse, Size.of(photo)))


def with_faults(coarse: Array) -> Array:
    """A ghost in the background, a hole in the subject, hair on one side not seen."""
    height, width = coarse.shape
    y, x = np.mgrid[:height, :width]

    def blob(across: float, down: float, radius: float) -> Array:
        near = (x - across * width) ** 2 + (y - down * height) ** 2 < (radius * width) ** 2
        return cv2.GaussianBlur(near.astype(np.float32), (0, 0), 6)

    faulty = np.maximum(coarse, 0.7 * blob(0.08, 0.08, 0.07))
    faulty *= 1 - 0.6 * blob(0.5, 0.85, 0.06)
    faulty *= 1 - blob(0.2, 0.3, 0.1)
    return np.clip(faulty, 0, 1).astype(np.float32)


def measured(found: Array, truth: Array) -> tuple[float, float]:
    """Gradient error / 1000, and mean absolute difference x 1000."""
    pair = ImagePair.of(found.astype(np.float32, copy=False), truth)
    return gradient_error(pair) / 1000, float(np.abs(found - truth).mean()) * 1000


def trained_network(weights: Path) -> Network:
    """Runs ``modnet`` with these weights."""
    from mattecli.engine.estimator import Photo
    from mattecli.engine.predict import NetworkEstimator
    from mattecli.models.registry import find_spec
    from mattecli.models.weights import load_network
    from mattecli.settings import DeviceOptions

    loaded = load_network(find_spec("modnet"), weights)
    estimator = NetworkEstimator(loaded.network, loaded.spec, DeviceOptions())

    def run(photo: Array) -> Array:
        prepared = estimator.prepare(Photo(color=photo, full=Size.of(photo)))
        return estimator.estimate([prepared])[0].alpha

    return run


def main() -> None:
    """Prints a row for each photo, and the means."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--backgrounds", type=Path, required=True)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--times", type=int, nargs="+", default=[4, 8])
    parser.add_argument("--closed-form", action="store_true", help="too (minutes a photo)")
    given = parser.parse_args()
    portraits = sorted((given.portraits / "image").glob("mebeauty*.webp"))
    backgrounds = sorted(given.backgrounds.glob("*.jpg"))
    network = trained_network(given.weights) if given.weights else None
    methods: dict[str, Callable[[Array, Array], Array]] = {
        "none": lambda photo, coarse: enlarged_alpha(coarse, Size.of(photo)),
        "fast guided filter": fast_guided_filter,
        "guided": guided_alpha,
    }
    if given.closed_form:
        methods["closed-form"] = closed_form
    totals: dict[str, list[tuple[float, ...]]] = {}
    for index in range(given.count):
        times = given.times[index % len(given.times)]
        style = list(STYLES)[index % len(STYLES)]
        portrait = portraits[index * 7 % len(portraits)]
        background = backgrounds[index * 11 % len(backgrounds)]
        scene = make_scene(portrait, background, 512 * times, style, index)
        sources = {"network": network(scene.photo)} if network else {}
        if not network:
            sources["made"] = network_like(scene.alpha, index)
            sources["with faults"] = with_faults(sources["made"])
        for source, coarse in sources.items():
            base: tuple[float, float] | None = None
            for name, method in methods.items():
                begin = time.process_time()
                found = method(scene.photo, coarse)
                seconds = time.process_time() - begin
                gradient, mad = measured(found, scene.alpha)
                base = base or (gradient, mad)
                ratios = gradient / base[0], mad / base[1]
                totals.setdefault(f"{source}: {name}", []).append((*ratios, gradient, mad))
                print(
                    f"{index} {style} x{times} {source}: {name:20s} gradient {gradient:8.2f}"
                    f" ({ratios[0]:.3f})  MAD {mad:6.2f} ({ratios[1]:.3f})"
                    f"  SAD {mad * scene.alpha.size / 1e6:7.1f}  {seconds:.2f} s of CPU",
                    flush=True,
                )
    for name, rows in totals.items():
        gradient, mad = np.exp(np.log(np.array(rows)[:, :2]).mean(axis=0))
        worst = np.array(rows)[:, :2].max(axis=0)
        print(
            f"{name:32s} gradient x {gradient:.3f} (worst {worst[0]:.3f}),"
            f" MAD x {mad:.3f} (worst {worst[1]:.3f})"
        )


if __name__ == "__main__":
    main()
