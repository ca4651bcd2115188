"""Alpha mattes as MODNet's authors' script makes them.

python benchmarks/authors_way.py FOLDER WEIGHTS OUTPUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.nn import functional as F  # noqa: N812 - the usual name

from mattecli.models.registry import find_spec
from mattecli.models.weights import load_network

SIDE = 512


def main(folder: Path, weights: Path, output: Path) -> None:
    """Write one 8-bit PNG for each photo."""
    network = load_network(find_spec("modnet"), weights).network
    output.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir()):
        photo = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        image = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 127.5 - 1
        height, width = image.shape[2:]
        scale = SIDE / min(height, width)
        size = [round(side * scale) // 32 * 32 for side in (height, width)]
        with torch.no_grad():
            matte = network(F.interpolate(image, size=size, mode="area")).matte
            matte = F.interpolate(matte, size=(height, width), mode="area")
        levels = (matte[0, 0].numpy() * 255).astype(np.uint8)
        cv2.imwrite(str(output / f"{path.stem}.png"), levels)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
