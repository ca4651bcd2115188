"""Photos as a folder holds them, made from labelled ones: every framing, distance and number of
people, on their own and on other backgrounds, and places where nobody is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.pixels import Float32
from mattecli.records import Size
from mattecli.training.backdrops import backdrop, covering_crop
from mattecli.training.photometry import degraded, relit
from mattecli.training.recipe import Phase
from mattecli.training.store import Entry, PictureStore
from mattecli.training.strands import grow_strands

__all__ = ["Mix", "Scene", "make_scene"]

Levels = npt.NDArray[np.uint8]
Random = np.random.Generator


@dataclass(frozen=True, slots=True)
class Mix:
    """How often each kind of picture is made, as shares, 0..1; the rest are composites.

    Attributes:
        own: labelled photos, cropped or seen from further away.
        empty: pictures without people.
        plain: labelled photos as they are; the other shares are of what is left.
        strands: people with loose hair, as a share of those in pictures of any kind.
    """

    own: float = 0.65
    empty: float = 0.06
    plain: float = 0.0
    strands: float = 0.0

    def during(self, phase: Phase) -> Mix:
        """This mix with the shares that a phase sets."""
        return replace(self, plain=phase.plain, strands=phase.strands)


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture, H,W,3 RGB levels, and its true alpha, H,W levels."""

    image: Levels
    alpha: Levels


@dataclass(frozen=True, slots=True)
class _Placement:
    """Scale and offset that take a photo's pixels to the new picture's."""

    scale: float
    x: float
    y: float
    mirrored: bool


@dataclass(frozen=True, slots=True)
class _Canvas:
    """A picture in the making, float32: H,W,3 levels, and its alpha, H,W, 0..1."""

    image: Float32
    alpha: Float32


def make_scene(store: PictureStore, size: Size, mix: Mix, rng: Random) -> Scene:
    """A training picture of ``size``; the same generator state gives the same picture."""
    if rng.random() < mix.plain:
        return _with_hair(_plain(store, size, rng), mix, rng)
    kind = rng.random()
    if kind < mix.own or not store.movable:
        scene = _with_hair(_own(store, size, rng), mix, rng)
    elif kind < mix.own + mix.empty:
        scene = Scene(backdrop(store, size, rng), np.zeros((size.height, size.width), np.uint8))
    else:
        scene = _composite(store, size, mix, rng)
    return Scene(degraded(scene.image, rng), scene.alpha)


def _plain(store: PictureStore, size: Size, rng: Random) -> Scene:
    """As much of a labelled photo as fits, in about its own light."""
    index = int(rng.integers(len(store.entries)))
    entry, subject = store.entries[index], store.subject(index)
    scale = max(size.width / entry.width, size.height / entry.height)
    x, y = (
        -rng.random() * (length * scale - side)
        for length, side in ((entry.width, size.width), (entry.height, size.height))
    )
    placement = _Placement(scale, float(x), float(y), bool(rng.random() < 0.5))
    image = _moved(subject.photo, placement, size, 0.0, cv2.BORDER_REFLECT_101)
    alpha = _moved(subject.alpha, placement, size, 0.0, cv2.BORDER_REFLECT_101)
    return Scene(relit(image, rng, 0.5) if rng.random() < 0.5 else image, alpha)


def _own(store: PictureStore, size: Size, rng: Random) -> Scene:
    """A labelled photo seen through a window, which may be smaller or larger, or turned."""
    index = int(rng.integers(len(store.entries)))
    entry, subject = store.entries[index], store.subject(index)
    inside = min(entry.width / size.width, entry.height / size.height)
    tall = entry.height / size.height
    kind = rng.random()
    if kind < 0.45:  # as much of the photo as fits
        step = inside
    elif kind < 0.75:  # closer
        step = inside * np.exp(-rng.uniform(0, np.log(2.2)))
    else:  # its full height, its surroundings continued sideways by reflection
        step = tall * rng.uniform(0.85, 1.05)
    # The window's centre: anywhere that keeps it inside, else near the photo's.
    centre = [
        rng.uniform(half, length - half) if length > 2 * half else length * rng.uniform(0.15, 0.85)
        for length, half in (
            (entry.width, size.width * step / 2),
            (entry.height, size.height * step / 2),
        )
    ]
    scale = 1 / step
    placement = _Placement(
        scale,
        size.width / 2 - centre[0] * scale,
        size.height / 2 - centre[1] * scale,
        bool(rng.random() < 0.5),
    )
    turn = float(rng.normal(0, 4)) if rng.random() < 0.3 else 0.0
    image = _moved(subject.photo, placement, size, turn, cv2.BORDER_REFLECT_101)
    alpha = _moved(subject.alpha, placement, size, turn, cv2.BORDER_REFLECT_101)
    return Scene(image, alpha)


def _with_hair(scene: Scene, mix: Mix, rng: Random) -> Scene:
    """A scene whose people now and then have loose hair."""
    strands = grow_strands(scene.image, scene.alpha, rng) if rng.random() < mix.strands else None
    if strands is None:
        return scene
    image = strands.over(scene.image.astype(np.float32))
    alpha = strands.added_to(scene.alpha * np.float32(1 / 255))
    return Scene(np.rint(image).astype(np.uint8), np.rint(alpha * 255).astype(np.uint8))


def _composite(store: PictureStore, size: Size, mix: Mix, rng: Random) -> Scene:
    """One or more people on a background that is not theirs."""
    image = backdrop(store, size, rng).astype(np.float32)
    alpha = np.zeros((size.height, size.width), np.float32)
    count = int(rng.choice((1, 2, 3, 4, 5), p=(0.66, 0.18, 0.08, 0.05, 0.03)))
    reach = 1.0 if count < 3 else 0.6
    largest = rng.uniform(0.25, 1.0) if rng.random() < 0.55 else rng.uniform(0.8, 2.2)
    if store.whole and largest > 0.6 and rng.random() < 0.2:
        for height in np.sort(largest * rng.uniform(0.1, 0.35, int(rng.integers(1, 6)))):
            index = int(rng.choice(store.whole))
            _add_person(_Canvas(image, alpha), store, index, float(height), rng)
        alpha[:] = 0  # passers-by far behind the subject belong to the background
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 2.5)), np.float32)
    for height in np.sort(largest * reach * rng.uniform(0.6, 1.0, count)):  # the farthest first
        index = int(rng.choice(store.movable))
        hairy = bool(rng.random() < mix.strands)
        _add_person(_Canvas(image, alpha), store, index, float(height), rng, hairy=hairy)
    composed = Scene(np.rint(image).astype(np.uint8), np.rint(alpha * 255).astype(np.uint8))
    return _behind_something(composed, store, rng) if rng.random() < 0.10 else composed


def _placed(entry: Entry, height: float, size: Size, rng: Random) -> _Placement:
    """A person ``height`` times as tall as the new picture; a cut at the photo's bottom goes to
    the new picture's bottom or below it.
    """
    left, top, right, bottom = entry.box
    scale = min(height * size.height / (bottom - top), 2.5)
    tall, wide = (bottom - top) * scale, (right - left) * scale
    x = -0.3 * wide + rng.random() * (size.width - 0.4 * wide)
    if rng.random() < 0.4:
        x = rng.normal((size.width - wide) / 2, 0.1 * size.width)
    cut = bottom >= entry.height - 2
    if tall > size.height:  # part of the person: mostly the upper one
        hidden = tall - size.height
        y = -hidden * rng.uniform(0, 1) ** 2 + 0.1 * size.height * rng.random()
    elif cut:
        y = size.height - tall * rng.uniform(0.75, 1.0)
    else:
        y = rng.uniform(0, 1) ** 0.5 * (size.height - tall)
    return _Placement(scale, x - left * scale, y - top * scale, bool(rng.random() < 0.5))


def _add_person(
    canvas: _Canvas,
    store: PictureStore,
    index: int,
    height: float,
    rng: Random,
    *,
    hairy: bool = False,
) -> None:
    """Compose person number ``index`` over a canvas in place."""
    size = Size.of(canvas.image)
    entry, subject = store.entries[index], store.subject(index)
    placement = _placed(entry, height, size, rng)
    turn = float(rng.normal(0, 4)) if rng.random() < 0.2 else 0.0
    colors = subject.foreground if rng.random() < 0.3 else relit(subject.foreground, rng, 0.8)
    front = _moved(colors, placement, size, turn, cv2.BORDER_REPLICATE)
    share = _moved(subject.alpha, placement, size, turn, cv2.BORDER_CONSTANT)
    weight = share.astype(np.float32) * np.float32(1 / 255)
    canvas.image[:] += weight[..., None] * (front - canvas.image)
    canvas.alpha[:] += weight * (1 - canvas.alpha)
    strands = grow_strands(front, share, rng) if hairy else None
    if strands is not None:
        canvas.image[:] = strands.over(canvas.image)
        canvas.alpha[:] = strands.added_to(canvas.alpha)


def _behind_something(scene: Scene, store: PictureStore, rng: Random) -> Scene:
    """A table, wall or board in front of the lower part or of one side."""
    height, width = scene.alpha.shape
    image, alpha = scene.image.copy(), scene.alpha.copy()
    top, right = 0, width
    if rng.random() < 0.6:
        top = int(height * rng.uniform(0.6, 0.95))
    else:
        right = max(1, int(width * rng.uniform(0.08, 0.3)))
    part = (slice(top, height), slice(0, right))
    hidden = Size(right, height - top)
    cover = backdrop(store, Size(width, height), rng)
    image[part] = covering_crop(cover, hidden, rng)
    alpha[part] = 0
    return Scene(image, alpha)


def _moved(image: Levels, placement: _Placement, size: Size, turn: float, border: int) -> Levels:
    """``image`` under a placement, turned by ``turn`` degrees, cut to ``size``."""
    scale = placement.scale
    if scale < 0.7:  # shrink with averaging first: warping takes single samples
        small = Size.of(image).scaled(scale)
        image = np.asarray(cv2.resize(image, small, interpolation=cv2.INTER_AREA), np.uint8)
        scale = 1.0
    matrix = np.array(((scale, 0, placement.x), (0, scale, placement.y)), np.float64)
    if turn:
        around = cv2.getRotationMatrix2D((size.width / 2, size.height / 2), turn, 1.0)
        matrix = around @ np.vstack((matrix, (0, 0, 1)))
    moved = cv2.warpAffine(image, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border)
    mirrored = moved[:, ::-1] if placement.mirrored else moved
    return np.ascontiguousarray(mirrored)
