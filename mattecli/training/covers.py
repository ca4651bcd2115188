"""What stands before a person: furniture at the picture's edge, things in between.

It belongs to the background, as in the labels that this package's networks learn from.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mattecli.records import Size
from mattecli.training.backdrops import backdrop, covering_crop
from mattecli.training.store import PictureStore

__all__ = ["hide_behind_things", "hide_edge"]

Levels = npt.NDArray[np.uint8]
Random = np.random.Generator


def hide_edge(image: Levels, alpha: Levels, store: PictureStore, rng: Random) -> None:
    """Put a table, wall or board before the lower part or one side, in place.

    Args:
        image: H,W,3.
        alpha: H,W.
        store: whose backgrounds it shows.
        rng: random stream.
    """
    height, width = alpha.shape
    top, right = 0, width
    if rng.random() < 0.6:
        top = int(height * rng.uniform(0.6, 0.95))
    else:
        right = max(1, int(width * rng.uniform(0.08, 0.3)))
    cover = backdrop(store, Size(width, height), rng)
    part = (slice(top, height), slice(0, right))
    image[part] = covering_crop(cover, Size(right, height - top), rng)
    alpha[part] = 0


def hide_behind_things(image: Levels, alpha: Levels, store: PictureStore, rng: Random) -> None:
    """Put one to three oblong things anywhere, in place; arguments are ``hide_edge``'s."""
    height, width = alpha.shape
    cover = backdrop(store, Size(width, height), rng)
    for _ in range(int(rng.integers(1, 4))):
        tall, wide = (max(1, int(side * rng.uniform(0.06, 0.28))) for side in (height, width))
        top, left = int(rng.integers(height - tall + 1)), int(rng.integers(width - wide + 1))
        part = (slice(top, top + tall), slice(left, left + wide))
        image[part] = cover[part]
        alpha[part] = 0
