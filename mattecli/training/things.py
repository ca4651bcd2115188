"""Things that are not people: drawn shapes filled with photos, hard or soft, some with holes.

A network that compares a photo with its background shall find what differs, whatever it is.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.records import Size
from mattecli.training.backdrops import backdrop
from mattecli.training.store import PictureStore

__all__ = ["Layer", "draw_thing"]

Levels = npt.NDArray[np.uint8]
Random = np.random.Generator
Layer = tuple[Levels, Levels]
"""Straight foreground colours, H,W,3 RGB, and alpha, H,W; levels."""

_CORNERS = 64


def draw_thing(store: PictureStore, size: Size, rng: Random) -> Layer:
    """One shape of random outline, surface, softness and holes."""
    alpha = np.zeros((size.height, size.width), np.uint8)
    short = min(size)
    centre = rng.uniform(0.1, 0.9, 2) * size
    radius = short * float(np.exp(rng.uniform(np.log(0.04), np.log(0.6))))
    cv2.fillPoly(alpha, [_contour(centre, radius, rng)], 255, cv2.LINE_AA)
    if rng.random() < 0.3:
        for _ in range(int(rng.integers(1, 9))):
            hole = centre + rng.normal(0, 0.5, 2) * radius
            contour = _contour(hole, radius * rng.uniform(0.02, 0.3), rng)
            cv2.fillPoly(alpha, [contour], 0, cv2.LINE_AA)
    if rng.random() < 0.4:
        soft = short * float(np.exp(rng.uniform(np.log(0.001), np.log(0.03))))
        alpha = np.asarray(cv2.GaussianBlur(alpha, (0, 0), max(soft, 0.3)), np.uint8)
    if rng.random() < 0.1:  # glass, gauze, smoke
        alpha = np.rint(alpha * rng.uniform(0.3, 0.9)).astype(np.uint8)
    return backdrop(store, size, rng), alpha


def _contour(centre: npt.NDArray[np.float64], radius: float, rng: Random) -> npt.NDArray[np.int32]:
    """A closed outline: a circle with waves, stretched and turned; or a polygon."""
    turn = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    away = np.ones(_CORNERS)
    if rng.random() < 0.7:
        for wave in range(2, 9):
            away += rng.normal(0, 0.5 / wave) * np.cos(wave * turn + rng.uniform(0, 2 * np.pi))
    else:
        corners = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 8))))
        turn, away = corners, rng.uniform(0.5, 1.2, len(corners))
    across = rng.uniform(0.25, 1.0)
    points = np.stack((np.cos(turn), across * np.sin(turn)), axis=1) * away[:, None] * radius
    angle = rng.uniform(0, np.pi)
    rotation = np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))))
    return np.rint(points @ rotation + centre).astype(np.int32)
