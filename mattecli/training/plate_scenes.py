"""Photos with plates of their backgrounds: people and things, near and far, or nobody.

Lin et al., Background Matting V2, section 4.3, and what that leaves out: several subjects, loose
hair, things that are not people, empty scenes, plates of another place, and compressed files.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.pixels import Float32
from mattecli.records import Size
from mattecli.training.backdrops import backdrop
from mattecli.training.composites import moved_composite
from mattecli.training.photometry import compressed
from mattecli.training.plates import Photographed, photographed
from mattecli.training.store import PictureStore
from mattecli.training.strands import grow_strands
from mattecli.training.things import Layer, draw_thing

__all__ = ["PlateMix", "PlateScene", "make_plate_scene"]

Levels = npt.NDArray[np.uint8]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class PlateMix:
    """How often each kind of picture is made; shares, 0..1.

    Attributes:
        things: shapes instead of people.
        empty: the background alone.
        strange: the plate is of another place.
        several: one subject more; with the same share yet another, and so on.
        strands: subjects with loose hair or fur, as a share of all subjects.
    """

    things: float = 0.2
    empty: float = 0.08
    strange: float = 0.02
    several: float = 0.15
    strands: float = 0.25


@dataclass(frozen=True, slots=True)
class PlateScene:
    """A photo, its plate, and the truth; colours H,W,3 RGB, alpha H,W; levels."""

    photo: Levels
    plate: Levels
    foreground: Levels
    alpha: Levels


def make_plate_scene(
    store: PictureStore, size: Size, scales: tuple[float, float], mix: PlateMix, rng: Random
) -> PlateScene:
    """A scene of ``size``; the same generator state gives the same one.

    Args:
        store: labelled photos and backgrounds.
        size: of the pictures.
        scales: of people, smallest and largest, as ``moved_composite`` takes them.
        mix: kinds of pictures.
        rng: random stream.
    """
    background = backdrop(store, size, rng)
    if rng.random() < mix.empty:
        foreground, alpha = background, np.zeros((size.height, size.width), np.uint8)
    else:
        foreground, alpha = _subject(store, size, scales, mix, rng)
        while rng.random() < mix.several:
            nearer = _subject(store, size, scales, mix, rng)
            foreground, alpha = _behind(nearer, (foreground, alpha))
    photo, plate = photographed(foreground, background, alpha, rng)
    if rng.random() < mix.strange:
        plate = backdrop(store, size, rng)
    photo, plate = _filed((photo, plate), rng)
    return PlateScene(photo, plate, foreground, alpha)


def _subject(
    store: PictureStore, size: Size, scales: tuple[float, float], mix: PlateMix, rng: Random
) -> Layer:
    if rng.random() < mix.things:
        foreground, alpha = draw_thing(store, size, rng)
    else:
        person = moved_composite(store, size, rng, scales)
        foreground, alpha = person.foreground, person.alpha
    strands = grow_strands(foreground, alpha, rng) if rng.random() < mix.strands else None
    if strands is None:
        return foreground, alpha
    share = alpha * np.float32(1 / 255)
    covered = strands.over(foreground * share[..., None])
    return _straight(covered, strands.added_to(share), foreground)


def _behind(nearer: Layer, farther: Layer) -> Layer:
    """Two subjects as one."""
    front, back = nearer[1] * np.float32(1 / 255), farther[1] * np.float32(1 / 255)
    left = back * (1 - front)
    covered = nearer[0] * front[..., None] + farther[0] * left[..., None]
    return _straight(covered.astype(np.float32, copy=False), front + left, nearer[0])


def _straight(covered: Float32, cover: Float32, colors: Levels) -> Layer:
    """Colours divided by coverage; ``colors`` where there is hardly any."""
    divided = covered / np.maximum(cover, np.float32(1e-3))[..., None]
    known = np.where((cover > 0.01)[..., None], divided, colors)
    levels = np.rint(np.clip(known, 0, 255)).astype(np.uint8)
    return levels, np.rint(cover * 255).astype(np.uint8)


def _filed(pictures: Photographed, rng: Random) -> Photographed:
    """As files hold them: some a little out of focus, photo and plate apart, some compressed."""
    photo, plate = pictures
    if rng.random() < 0.15:
        photo = _blurred(photo, rng)
    if rng.random() < 0.25:
        plate = _blurred(plate, rng)
    if rng.random() < 0.3:
        photo, plate = compressed(photo, rng), compressed(plate, rng)
    return photo, plate


def _blurred(image: Levels, rng: Random) -> Levels:
    sigma = float(rng.uniform(0.3, 1.5))
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.uint8)
