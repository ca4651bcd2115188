"""A small folder of labelled pictures for the tests of training."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from conftest import photo, save

SIZES = ((96, 128), (120, 90), (100, 100), (80, 140), (128, 96), (110, 110))


def make_training_folder(folder: Path) -> Path:
    """Orange figures with soft edges on smooth backgrounds; two places without anybody."""
    for number, (width, height) in enumerate(SIZES):
        alpha = np.zeros((height, width), np.uint8)
        middle = (width // 2 + 3 * number - 8, height // 2)
        cv2.ellipse(alpha, middle, (width // 6, height // 4), 10 * number, 0, 360, 255, -1)
        alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), 2), np.uint8)
        share = alpha[..., None] / 255
        image = photo(width, height, seed=number) * (1 - share) + np.array((250, 130, 20)) * share
        save(folder / "image" / f"{number}.png", np.rint(image).astype(np.uint8))
        save(folder / "alpha" / f"{number}.png", alpha)
    for number in range(2):
        save(folder / "backgrounds" / f"{number}.png", photo(150, 100, seed=50 + number))
    return folder
