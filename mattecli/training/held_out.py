"""Judging portrait networks on labelled photos that are not trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor

from mattecli.engine.sizes import scaled_size
from mattecli.ops.metrics import ImagePair, overlap
from mattecli.ops.pixels import array_from_tensor, tensor_from_array, to_float, to_levels
from mattecli.records import Array, Size
from mattecli.training.pictures import labelled_pairs, read_alpha, read_photo
from mattecli.training.system import Panel

__all__ = ["HeldOut", "SizedMatting"]

_FEW = 32  # photos of a quick judgement
_SHOWN = 12  # photos on a sheet

Matting = Callable[[Array], Array]
"""A photo, H,W,3 RGB levels, to its alpha, H,W float32 0..1."""


@dataclass(frozen=True, slots=True)
class SizedMatting:
    """A network applied to photos of any size.

    Attributes:
        network: levels as a batch, 1,3,H,W float32 0..255, to alpha, 1,1,H,W float32 0..1.
        short_side: that the network sees.
        multiple: of both sides.
    """

    network: Callable[[Tensor], Tensor]
    short_side: int
    multiple: int

    def __call__(self, photo: Array) -> Array:
        """A photo, H,W,3 RGB levels, to its alpha, H,W float32."""
        size = Size.of(photo)
        seen = scaled_size(size, self.short_side, self.multiple)
        method = cv2.INTER_AREA if seen.width < size.width else cv2.INTER_LINEAR
        resized = cv2.resize(photo, seen, interpolation=method)
        batch = tensor_from_array(resized.transpose(2, 0, 1)[None]).float()
        alpha = array_from_tensor(self.network(batch))[0, 0]
        return np.asarray(cv2.resize(alpha, size), np.float32)


class HeldOut:
    """Photos with their true alphas.

    Args:
        folder: with ``image`` and ``alpha``; None or a missing one holds nothing.
    """

    def __init__(self, folder: Path | None) -> None:
        self._pairs = labelled_pairs(folder) if folder is not None and folder.is_dir() else []

    def figures(self, matting: Matting, *, thorough: bool) -> dict[str, float]:
        """Mean absolute difference, and intersection over union of alpha >= 0.5.

        Args:
            matting: to judge.
            thorough: on all photos instead of some.
        """
        chosen = self._pairs if thorough else _spread(self._pairs, _FEW)
        differences, overlaps = [], []
        for image, truth in chosen:
            alpha = to_float(read_alpha(truth))
            found = matting(read_photo(image))
            differences.append(float(np.abs(found - alpha).mean()))
            overlaps.append(overlap(ImagePair.of(found, alpha), None))
        if not chosen:
            return {}
        means = {"mad": float(np.mean(differences)), "iou": float(np.mean(overlaps))}
        return {"photos": float(len(chosen)), **means}

    def panels(self, matting: Matting) -> list[Panel]:
        """Photos, their mattes, and the truth."""
        rows = []
        for image, truth in _spread(self._pairs, _SHOWN):
            photo = read_photo(image)
            rows.append(Panel((photo, to_levels(matting(photo)), read_alpha(truth))))
        return rows


def _spread(pairs: list[tuple[Path, Path]], count: int) -> list[tuple[Path, Path]]:
    return pairs[:: max(1, len(pairs) // count)]
