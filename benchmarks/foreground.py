"""Foreground colours: error against known ones and seconds, ours and PyMatting's multilevel.

    python benchmarks/foreground.py --portraits FOLDER --backgrounds FOLDER

Scenes of hair_scenes.py at 12 megapixels (4 with --small). The error is the mean absolute
difference of alpha*F in the mixed pixels (alpha between 0.02 and 0.98), in 8-bit levels, so that
a colour counts as much as it shows. PyMatting runs warm: numba has compiled. Then the same photo
with no pixel known, the slowest case. Medians of three, seconds of CPU and of the clock; no network
runs.
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
from hair_scenes import make_scene
from pymatting import estimate_foreground_ml

from mattecli.ops.foreground import decontaminated

Array = npt.NDArray[Any]
_STYLES = ("hair", "flyaway", "fur")


def pymattings(photo: Array, alpha: Array) -> Array:
    """As their documentation shows it; converting to the types it needs is not timed."""
    return estimate_foreground_ml(photo, alpha)


def timed(make: Callable[[], Array], times: int = 3) -> tuple[Array, float, float]:
    """The result, and median seconds of CPU and of the clock."""
    cpu, wall = [], []
    for _ in range(times):
        begin = time.process_time(), time.perf_counter()
        found = make()
        cpu.append(time.process_time() - begin[0])
        wall.append(time.perf_counter() - begin[1])
    return found, float(np.median(cpu)), float(np.median(wall))


def main() -> None:
    """Prints errors of each scene, then times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--backgrounds", type=Path, required=True)
    parser.add_argument("--count", type=int, default=3)
    parser.add_argument("--small", action="store_true")
    given = parser.parse_args()
    portraits = sorted((given.portraits / "image").glob("mebeauty*.webp"))
    backgrounds = sorted(given.backgrounds.glob("*.jpg"))
    short = 2000 if given.small else 3465
    warm = np.random.default_rng(0).random((64, 64, 3))
    estimate_foreground_ml(warm, warm[..., 0].copy())
    speed: dict[str, list[float]] = {}
    for index in range(given.count):
        scene = make_scene(
            portraits[index * 5 + 1], backgrounds[index * 17 + 3], short, _STYLES[index % 3], index
        )
        ramp = cv2.resize(
            np.random.default_rng(index).random((60, 80)).astype(np.float32),
            scene.alpha.shape[::-1],
            interpolation=cv2.INTER_CUBIC,
        ).clip(0.02, 0.98)
        for case, alpha in (("as it is", scene.alpha), ("none known", ramp)):
            double = scene.photo / 255.0, alpha.astype(np.float64)
            ways: dict[str, Callable[[], Array]] = {
                "multilevel": lambda a=alpha, s=scene: decontaminated(s.photo, a, "multilevel"),
                "blur-fusion": lambda a=alpha, s=scene: decontaminated(s.photo, a, "blur-fusion"),
                "PyMatting": lambda d=double: pymattings(*d),
            }
            for name, way in ways.items():
                found, cpu, wall = timed(way)
                speed.setdefault(f"{case}: {name}", []).append(cpu)
                line = f"{index} {case}: {name:12s} {cpu:.2f} s of CPU, {wall:.2f} s"
                if case == "as it is":
                    line += f", error {error(found, scene.foreground, alpha):.3f} levels"
                print(line, flush=True)
    for case in ("as it is", "none known"):
        theirs = np.array(speed[f"{case}: PyMatting"])
        for name in ("multilevel", "blur-fusion"):
            print(
                f"{case}: {name} {np.median(theirs / speed[f'{case}: {name}']):.1f} times as fast"
            )


def error(found: Array, truth: Array, alpha: Array) -> float:
    """Mean absolute difference of alpha*F in mixed pixels, 8-bit levels."""
    mixed = (alpha > 0.02) & (alpha < 0.98)
    levels = found[mixed] * (1.0 if found.dtype == np.uint8 else 255.0)
    return float((np.abs(levels - truth[mixed] * 255) * alpha[mixed][:, None]).mean())


if __name__ == "__main__":
    main()
