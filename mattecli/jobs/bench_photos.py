"""Photos to measure with, made by the program so that everybody measures with the same."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from mattecli.media.encode import encode_image
from mattecli.media.files import write_atomically
from mattecli.records import Array

__all__ = ["Scene", "make_scene", "write_scenes"]

_JPEG_QUALITY = 92
_GRAIN = 3.0  # levels of noise, about what a camera leaves


@dataclass(frozen=True, slots=True)
class Scene:
    """A subject with a soft edge before a background.

    Attributes:
        photo: uint8, H,W,3 RGB.
        background: the same without the subject.
        trimap: H,W of 0, 128, 255.
        mask: H,W of 0, 255.
    """

    photo: Array
    background: Array
    trimap: Array
    mask: Array


def make_scene(megapixels: float, seed: int = 0) -> Scene:
    """A scene of aspect 4:3 with smooth shapes, texture and grain; compresses like a photo."""
    width = max(64, round((megapixels * 1e6 * 4 / 3) ** 0.5))
    height = max(48, round(width * 3 / 4))
    rng = np.random.default_rng(seed)
    background = _surface(rng, width, height)
    subject = _surface(rng, width, height)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    radius = np.hypot((x / width - 0.5) / 0.22, (y / height - 0.55) / 0.38)
    wave = 0.04 * np.sin(9 * np.arctan2(y / height - 0.55, x / width - 0.5) + seed)
    alpha = np.clip((1 + wave - radius) / 0.03 + 0.5, 0, 1).astype(np.float32)
    photo = background + alpha[..., None] * (subject - background)
    trimap = np.where(alpha <= 0, 0, np.where(alpha >= 1, 255, 128)).astype(np.uint8)
    mask = np.where(alpha >= 0.5, 255, 0).astype(np.uint8)
    return Scene(_levels(photo), _levels(background), trimap, mask)


def write_scenes(folder: Path, megapixels: float, count: int) -> None:
    """``photos``, ``backgrounds``, ``trimaps`` and ``masks`` of ``count`` scenes."""
    for kind in ("photos", "backgrounds", "trimaps", "masks"):
        (folder / kind).mkdir()
    for number in range(count):
        scene = make_scene(megapixels, number)
        name = f"{number:04d}"
        for kind, image in (("photos", scene.photo), ("backgrounds", scene.background)):
            data = encode_image(image, "jpeg", quality=_JPEG_QUALITY)
            write_atomically(folder / kind / f"{name}.jpg", data)
        for kind, image in (("trimaps", scene.trimap), ("masks", scene.mask)):
            write_atomically(folder / kind / f"{name}.png", encode_image(image, "png"))


def _surface(rng: np.random.Generator, width: int, height: int) -> Array:
    """Float levels, H,W,3: coarse colours, finer texture, grain."""
    levels = np.zeros((height, width, 3), np.float32)
    for cells, strength in ((5, 90.0), (60, 25.0), (400, 10.0)):
        coarse = rng.normal(0, strength, (cells * 3 // 4, cells, 3)).astype(np.float32)
        levels += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = rng.standard_normal((height, width, 1), np.float32)
    return levels + 128 + _GRAIN * grain


def _levels(image: Array) -> Array:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
