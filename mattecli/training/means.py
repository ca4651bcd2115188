"""What a row of the log is made of."""

from __future__ import annotations

import time

import torch
from torch import Tensor

__all__ = ["RowMeans"]


class RowMeans:
    """Means of what is logged, since the last row."""

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._values: dict[str, list[Tensor]] = {}
        self._pictures = 0
        self._start = time.monotonic()

    def add(self, values: dict[str, Tensor], pictures: int) -> None:
        """One step's scalars by name, and how many pictures it took."""
        for name, value in values.items():
            self._values.setdefault(name, []).append(value.detach())
        self._pictures += pictures

    def finish(self) -> dict[str, float]:
        """The means, with ``pictures_per_second``; the next row begins."""
        means = {name: float(torch.stack(v).mean()) for name, v in self._values.items()}
        means["pictures_per_second"] = self._pictures / (time.monotonic() - self._start)
        self._clear()
        return means
