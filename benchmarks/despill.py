"""What despill gains before a screen, what it costs elsewhere, and how often auto is mistaken.

    python benchmarks/despill.py PORTRAITS

PORTRAITS holds ``image/`` and ``alpha/``. A screen's light is put on the edges of every portrait
(reflected by its colours, with a sheen, fading inwards), then taken off with different limits for
the screen's channel, between the mean of the two others (0.5) and their larger one (1.0); errors
are mean absolute differences in 8-bit levels where alpha is above 0.9 and the edge is near. Then
screens are looked for behind all portraits: none of them was taken before one.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.despill import find_screen

Array = npt.NDArray[Any]
_LIGHTS = {"green": (1, (0.1, 0.8, 0.2)), "blue": (2, (0.1, 0.3, 0.85))}
_STRENGTHS = (0.0, 0.3, 0.6)
_LIMITS = (0.5, 0.6, 0.7, 0.8, 1.0)
Errors = dict[tuple[str, float, float | None], list[float]]


def read(path: Path) -> tuple[Array, Array]:
    """A portrait RGB and its alpha, 0..1."""
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    alpha = cv2.imread(str(path.parent.parent / "alpha" / path.name), cv2.IMREAD_GRAYSCALE)
    assert image is not None
    assert alpha is not None
    colour = cv2.cvtColor(image, cv2.COLOR_BGR2RGB).astype(np.float32) / 255
    return colour, alpha.astype(np.float32) / 255


def add_errors(errors: Errors, colour: Array, alpha: Array) -> None:
    """Of one portrait, for every screen, strength of its light and limit."""
    side = 2 * max(6, round(0.02 * min(alpha.shape))) + 1
    share = np.minimum(1, 2 * cv2.blur(1 - alpha, (side, side)))
    near = (alpha > 0.9) & (share > 0.05)
    if near.sum() < 50:
        return
    clean, weight = colour[near], share[near][:, None]
    for (name, (channel, light)), strength in product(_LIGHTS.items(), _STRENGTHS):
        lit = clean * (1 + strength * weight * np.float32(light))
        lit = np.clip(lit + 0.08 * strength * weight * np.float32(light), 0, 1)
        others = np.delete(lit, channel, axis=1)
        for limit in (None, *_LIMITS):
            off = lit.copy()
            if limit is not None:
                most = limit * others.max(axis=1) + (1 - limit) * others.min(axis=1)
                off[:, channel] -= np.maximum(lit[:, channel] - most, 0) * weight[:, 0]
            error = float(np.abs(off - clean).mean()) * 255
            errors.setdefault((name, strength, limit), []).append(error)


def main() -> None:
    """Prints errors by screen, strength of its light and limit; then mistaken screens."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("portraits", type=Path)
    paths = sorted((parser.parse_args().portraits / "image").glob("*.webp"))
    errors: Errors = {}
    found = {"green": 0, "blue": 0}
    for index, path in enumerate(paths):
        colour, alpha = read(path)
        screen = find_screen(colour, alpha)
        if screen is not None:
            found[screen] += 1
        if index % 15 == 0:
            add_errors(errors, colour, alpha)
    for name, strength in product(_LIGHTS, _STRENGTHS):
        row = [f"left {np.mean(errors[name, strength, None]):.2f}"]
        row += [f"{limit}: {np.mean(errors[name, strength, limit]):.2f}" for limit in _LIMITS]
        print(f"{name} light {strength}: error in levels, " + ", ".join(row))
    print(f"screens found behind {len(paths)} portraits without one: {found}")


if __name__ == "__main__":
    main()
