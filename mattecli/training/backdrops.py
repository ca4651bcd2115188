"""Pictures without people: places, plain walls, lettering, shapes."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.records import Size
from mattecli.training.photometry import relit
from mattecli.training.store import Entry, PictureStore

__all__ = ["backdrop", "covering_crop"]

Levels = npt.NDArray[np.uint8]
Random = np.random.Generator

_LETTERS = tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghiklmnorstuvwxyz0123456789&!?%")


def backdrop(store: PictureStore, size: Size, rng: Random) -> Levels:
    """A picture of ``size`` without people, H,W,3 RGB levels."""
    kind = rng.random()
    if kind < 0.42 and store.plates:
        image = covering_crop(store.plate(int(rng.integers(len(store.plates)))), size, rng)
    elif kind < 0.62:
        image = _emptied_photo(store, size, rng)
    elif kind < 0.82:
        image = _surroundings(store, size, rng)
    else:
        image = _plain(size, rng)
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
    image = relit(image, rng, strength=1.3)
    if rng.random() < 0.15:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(1, 8)), np.uint8)
    if rng.random() < 0.12:
        _add_shapes(image, rng)
    if rng.random() < 0.15:
        _add_lettering(image, rng)
    return image


def covering_crop(image: Levels, size: Size, rng: Random, zoom: float = 2.2) -> Levels:
    """A random part of ``image`` with the shape of ``size``, scaled to it.

    Args:
        image: H,W,3.
        size: of the result.
        rng: random stream.
        zoom: the part is at least 1/zoom of the largest that fits.
    """
    height, width = image.shape[:2]
    largest = min(width / size.width, height / size.height)
    scale = largest * np.exp(-rng.uniform(0, np.log(zoom)))
    part_width, part_height = max(1, int(size.width * scale)), max(1, int(size.height * scale))
    left = int(rng.integers(width - part_width + 1))
    top = int(rng.integers(height - part_height + 1))
    part = image[top : top + part_height, left : left + part_width]
    return _resized(part, size)


def _resized(image: Levels, size: Size) -> Levels:
    smaller = image.shape[0] > size.height
    method = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, size, interpolation=method), np.uint8)


def _emptied_photo(store: PictureStore, size: Size, rng: Random) -> Levels:
    """A labelled photo with its subject filled in from the surroundings."""
    subject = store.subject(int(rng.integers(len(store.entries))))
    return covering_crop(subject.background, size, rng)


def _surroundings(store: PictureStore, size: Size, rng: Random) -> Levels:
    """The untouched part of a labelled photo beside or above its subject."""
    for _ in range(6):
        index = int(rng.integers(len(store.entries)))
        free = _free_box(store.entries[index], rng)
        if free is not None:
            left, top, right, bottom = free
            return covering_crop(store.subject(index).photo[top:bottom, left:right], size, rng)
    return _plain(size, rng)


def _free_box(entry: Entry, rng: Random) -> tuple[int, int, int, int] | None:
    left, top, right, _ = entry.box
    margin = 12
    boxes = [
        (0, 0, left - margin, entry.height),
        (right + margin, 0, entry.width, entry.height),
        (0, 0, entry.width, top - margin),
    ]
    wide = [box for box in boxes if min(box[2] - box[0], box[3] - box[1]) >= 56]
    return wide[int(rng.integers(len(wide)))] if wide else None


def _plain(size: Size, rng: Random) -> Levels:
    """One colour, or a gradient of two to four, often bright."""
    bright = rng.random() < 0.4
    corners = rng.uniform(170 if bright else 0, 255, (2, 2, 3))
    kind = rng.random()
    if kind < 0.4:
        corners[:] = corners[0, 0]
    elif kind < 0.6:
        corners[:, 1] = corners[:, 0]
    if rng.random() < 0.35:
        corners[:] = corners.mean(axis=2, keepdims=True)  # grey
    image = cv2.resize(corners.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
    return np.rint(np.clip(image, 0, 255)).astype(np.uint8)


def _color(rng: Random) -> tuple[float, float, float]:
    if rng.random() < 0.4:
        level = float(rng.choice((0, 20, 235, 255)))
        return (level, level, level)
    red, green, blue = rng.uniform(0, 255, 3)
    return (float(red), float(green), float(blue))


def _add_lettering(image: Levels, rng: Random) -> None:
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(1, 5))):
        count = int(rng.integers(1, 12))
        text = "".join(rng.choice(_LETTERS, count)) if rng.random() < 0.9 else "O" * count
        scale = float(np.exp(rng.uniform(np.log(0.4), np.log(6))) * height / 288)
        thickness = max(1, int(scale * rng.uniform(0.8, 5)))
        at = (int(rng.uniform(-0.2, 0.8) * width), int(rng.uniform(0.1, 1.1) * height))
        font = int(rng.choice((cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX, 5, 7)))
        cv2.putText(image, text, at, font, scale, _color(rng), thickness, cv2.LINE_AA)


def _add_shapes(image: Levels, rng: Random) -> None:
    """Blobs, posts and boards, which might be taken for people."""
    height, width = image.shape[:2]
    for _ in range(int(rng.integers(1, 6))):
        centre = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        axes = tuple(int(v) for v in rng.uniform(0.03, 0.35, 2) * height)
        angle = float(rng.uniform(0, 180))
        if rng.random() < 0.5:
            cv2.ellipse(image, centre, axes, angle, 0, 360, _color(rng), -1, cv2.LINE_AA)
        else:
            corners = cv2.boxPoints((centre, axes, angle)).astype(np.int32)
            cv2.fillPoly(image, [corners], _color(rng), cv2.LINE_AA)
