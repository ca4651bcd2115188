"""Cut-outs or masks by rembg, as its own command for folders makes them.

    python benchmarks/rembg_way.py KIND FOLDER ONNX OUTPUT

KIND is ``alpha`` for masks; anything else gives cut-outs.
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image
from rembg import new_session, remove


def main(kind: str, folder: Path, model: Path, output: Path) -> None:
    """Write one PNG for each photo, as Pillow does by default."""
    session = new_session("u2net_custom", model_path=str(model))
    output.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.iterdir()):
        with Image.open(path) as photo:
            found = remove(photo, session=session, only_mask=kind == "alpha")
        found.save(output / f"{path.stem}.png")


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
