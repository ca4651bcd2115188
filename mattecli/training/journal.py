"""The log of a training: rows of a CSV file, and their curves as a picture."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.media.opencv import encode
from mattecli.training.writing import replacing

__all__ = ["Journal", "draw_curves", "read_rows"]

_PANEL_WIDTH, _PANEL_HEIGHT, _MARGIN = 640, 220, 34
_INK, _FAINT, _LINE = (30, 30, 30), (200, 200, 200), (170, 80, 20)


class Journal:
    """Appends rows to a CSV file; a row may bring new columns, or leave some empty.

    Args:
        path: of the file.
        step: steps done before; later rows of an earlier run are dropped.
    """

    def __init__(self, path: Path, step: int) -> None:
        self.path = path
        kept = [row for row in read_rows(path) if int(row["step"]) <= step]
        self._columns = list(kept[0]) if kept else []
        if path.exists():
            _write(path, self._columns, kept)

    def add(self, row: Mapping[str, float | str]) -> None:
        """Write one row; it is on disk when this returns."""
        new = [name for name in row if name not in self._columns]
        if new:
            self._columns += new
            _write(self.path, self._columns, read_rows(self.path))
        with self.path.open("a", newline="") as file:
            csv.DictWriter(file, self._columns).writerow(_shown(row))


def read_rows(path: Path) -> list[dict[str, str]]:
    """The rows of a log, but for those that were cut off; none if there is no file."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return [row for row in csv.DictReader(file) if (row.get("step") or "").isdecimal()]


def draw_curves(log: Path, picture: Path) -> None:
    """All numeric columns of a log over its steps, one panel each, as PNG."""
    rows = read_rows(log)
    columns = [name for name in (rows[-1] if rows else ()) if name != "step"]
    panels = []
    for name in columns:
        points = [(float(row["step"]), float(row[name])) for row in rows if _is_number(row[name])]
        if len(points) > 1:
            panels.append(_panel(name, np.array(points)))
    if panels:
        if len(panels) % 2:
            panels.append(np.full_like(panels[0], 255))
        pairs = [np.hstack(panels[i : i + 2]) for i in range(0, len(panels), 2)]
        with replacing(picture) as part:
            part.write_bytes(encode(".png", np.vstack(pairs)))


def _panel(name: str, points: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    canvas = np.full((_PANEL_HEIGHT, _PANEL_WIDTH, 3), 255, np.uint8)
    steps, values = points[:, 0], points[:, 1]
    low, high = float(np.percentile(values, 1)), float(np.percentile(values, 99))
    span = max(high - low, 1e-12)
    x = _MARGIN + (steps - steps[0]) / max(steps[-1] - steps[0], 1) * (_PANEL_WIDTH - 2 * _MARGIN)
    height = _PANEL_HEIGHT - 2 * _MARGIN
    y = _PANEL_HEIGHT - _MARGIN - np.clip((values - low) / span, 0, 1) * height
    corners = (_MARGIN, _MARGIN), (_PANEL_WIDTH - _MARGIN, _PANEL_HEIGHT - _MARGIN)
    cv2.rectangle(canvas, *corners, _FAINT)
    line = np.rint(np.column_stack((x, y))).astype(np.int32)
    cv2.polylines(canvas, [line], isClosed=False, color=_LINE, thickness=1, lineType=cv2.LINE_AA)
    _write_text(canvas, f"{name}: {values[-1]:.5g}", (_MARGIN, 20))
    _write_text(canvas, f"{high:.3g}", (2, _MARGIN + 4))
    _write_text(canvas, f"{low:.3g}", (2, _PANEL_HEIGHT - _MARGIN + 4))
    _write_text(canvas, f"step {steps[-1]:.0f}", (_PANEL_WIDTH - 120, _PANEL_HEIGHT - 12))
    return canvas


def _write_text(canvas: npt.NDArray[np.uint8], text: str, at: tuple[int, int]) -> None:
    cv2.putText(canvas, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.4, _INK, 1, cv2.LINE_AA)


def _write(path: Path, columns: list[str], rows: list[dict[str, str]]) -> None:
    with replacing(path) as part, part.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)


def _shown(row: Mapping[str, float | str]) -> dict[str, str]:
    return {k: v if isinstance(v, str) else f"{v:.6g}" for k, v in row.items()}


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except (TypeError, ValueError):
        return False
