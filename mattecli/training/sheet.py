"""Sample sheets: rows of pictures in one PNG."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mattecli.media.opencv import encode
from mattecli.records import Array
from mattecli.training.system import Panel
from mattecli.training.writing import replacing

__all__ = ["write_sheet"]

_HEIGHT = 200  # of a row, pixels
_COLUMNS = 2


def write_sheet(path: Path, panels: Sequence[Panel]) -> None:
    """Write ``panels`` beside and below each other; nothing if there are none."""
    strips = [_strip(panel) for panel in panels]
    if not strips:
        return
    width = max(strip.shape[1] for strip in strips)
    cells = [
        cv2.copyMakeBorder(s, 2, 2, 2, width - s.shape[1] + 2, cv2.BORDER_CONSTANT) for s in strips
    ]
    cells += [np.zeros_like(cells[0])] * (-len(cells) % _COLUMNS)
    rows = [np.hstack(cells[i : i + _COLUMNS]) for i in range(0, len(cells), _COLUMNS)]
    with replacing(path) as part:
        part.write_bytes(encode(".png", np.vstack(rows)[..., ::-1]))


def _strip(panel: Panel) -> Array:
    pictures = []
    for picture in panel.pictures:
        color = picture if picture.ndim == 3 else cv2.merge([picture] * 3)
        width = max(1, round(color.shape[1] * _HEIGHT / color.shape[0]))
        pictures.append(cv2.resize(color, (width, _HEIGHT), interpolation=cv2.INTER_AREA))
    return np.hstack(pictures)
