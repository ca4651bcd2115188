"""Pictures and options for the tests of ``mattecli evaluate``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.media.evaluation import Evaluation
from mattecli.records import ItemRecord
from mattecli.settings.evaluate import EvaluateOptions, PairOptions, ScoreOptions

Array = npt.NDArray[Any]


def disk(shift: int = 0, size: tuple[int, int] = (40, 50)) -> Array:
    """A soft disk, moved to the right by ``shift``."""
    y, x = np.mgrid[: size[0], : size[1]]
    alpha = np.clip(0.5 + (12 - np.hypot(x - 25 - shift, y - 20)) / 6, 0, 1)
    levels: Array = np.rint(alpha * 255).astype(np.uint8)
    return levels


def band(alpha: Array) -> Array:
    """A trimap: unknown where alpha is neither 0 nor 255."""
    return np.select([alpha == 0, alpha == 255], [0, 255], 128).astype(np.uint8)


def save(path: Path, image: Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, data = cv2.imencode(".png", image)
    assert ok
    path.write_bytes(data.tobytes())
    return path


def three_pairs(top: Path) -> Path:
    """Three predictions, the more shifted the later, their truths and trimaps."""
    for number in (1, 2, 10):
        save(top / f"pred/img{number}.png", disk(number))
        save(top / f"truth/img{number}.png", disk())
        save(top / f"trimaps/img{number}.png", band(disk()))
    return top


def options(folder: Path, trimaps: bool = False, **score: Any) -> EvaluateOptions:
    given = PairOptions(
        pred=str(folder / "pred"),
        truth=str(folder / "truth"),
        trimap=str(folder / "trimaps") if trimaps else None,
    )
    return EvaluateOptions(pair=given, score=ScoreOptions(**score))


def named(evaluation: Evaluation) -> Mapping[str, ItemRecord]:
    return {Path(record.source).name: record for record in evaluation.records}
