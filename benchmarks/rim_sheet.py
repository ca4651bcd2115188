"""A sheet to look at: rims of cut-outs on white, black, green and a photo.

    python benchmarks/rim_sheet.py --portraits FOLDER --backgrounds FOLDER sheet.png

Rows: scenes of hair_scenes.py, with alpha as refined from a network-like one. Columns: the photo,
then the cut-out on four backgrounds, at the photo's own pixels around the head's outline. With
--keep-colours the photo's own colours are used, to see what decontamination does.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from hair_scenes import make_scene, network_like

from mattecli.ops.composite import composite
from mattecli.ops.foreground import decontaminated
from mattecli.ops.refine import guided_alpha

Array = npt.NDArray[Any]
_SIDE = 420


def interesting(alpha: Array) -> tuple[slice, slice]:
    """The square with the most mixed pixels."""
    mixed = ((alpha > 0.1) & (alpha < 0.9)).astype(np.float32)
    density = cv2.blur(mixed, (_SIDE, _SIDE))
    inner = density[_SIDE // 2 : -_SIDE // 2, _SIDE // 2 : -_SIDE // 2]
    top, left = np.unravel_index(int(inner.argmax()), inner.shape)
    return slice(int(top), int(top) + _SIDE), slice(int(left), int(left) + _SIDE)


def main() -> None:
    """Writes the sheet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--portraits", type=Path, required=True)
    parser.add_argument("--backgrounds", type=Path, required=True)
    parser.add_argument("--count", type=int, default=4)
    parser.add_argument("--keep-colours", action="store_true")
    parser.add_argument("sheet", type=Path)
    given = parser.parse_args()
    portraits = sorted((given.portraits / "image").glob("mebeauty*.webp"))
    backgrounds = sorted(given.backgrounds.glob("*.jpg"))
    behind = cv2.cvtColor(cv2.imread(str(backgrounds[40])), cv2.COLOR_BGR2RGB)
    rows = []
    for index in range(given.count):
        scene = make_scene(
            portraits[index * 5 + 2],
            backgrounds[index * 13 + 5],
            2048,
            ("hair", "flyaway", "fur")[index % 3],
            index,
        )
        alpha = guided_alpha(scene.photo, network_like(scene.alpha, index))
        colours = scene.photo if given.keep_colours else decontaminated(scene.photo, alpha)
        part = interesting(scene.alpha)
        piece, share = np.ascontiguousarray(colours[part]), np.ascontiguousarray(alpha[part])
        plain = [np.full_like(piece, colour) for colour in (255, 0)]
        green = np.full_like(piece, (0, 200, 60))
        photo = cv2.resize(behind, (_SIDE, _SIDE))
        shown = [composite(piece, share, under) for under in (*plain, green, photo)]
        rows.append(np.hstack([scene.photo[part], *shown]))
    cv2.imwrite(str(given.sheet), cv2.cvtColor(np.vstack(rows), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
