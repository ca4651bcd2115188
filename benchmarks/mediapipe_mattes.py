"""Person segmentations of a folder of photos by MediaPipe, to score beside ours.

    pip install mediapipe==0.10.21
    python benchmarks/mediapipe_mattes.py PHOTOS MATTES
    mattecli evaluate MATTES TRUTH

The general model, as MediaPipe itself applies it; its soft mask is taken as alpha.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import mediapipe
import numpy as np


def main() -> None:
    """Write ``NAME-alpha.png`` for each photo."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path)
    parser.add_argument("mattes", type=Path)
    arguments = parser.parse_args()
    arguments.mattes.mkdir(parents=True, exist_ok=True)
    with mediapipe.solutions.selfie_segmentation.SelfieSegmentation(model_selection=0) as network:
        for path in sorted(arguments.photos.iterdir()):
            photo = cv2.imread(str(path), cv2.IMREAD_COLOR)
            if photo is None:
                continue
            found = network.process(cv2.cvtColor(photo, cv2.COLOR_BGR2RGB)).segmentation_mask
            alpha = np.rint(np.clip(found, 0, 1) * 255).astype(np.uint8)
            cv2.imwrite(str(arguments.mattes / f"{path.stem}-alpha.png"), alpha)


if __name__ == "__main__":
    main()
