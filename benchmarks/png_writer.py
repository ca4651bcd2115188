"""Seconds of CPU and bytes of a 12-megapixel RGBA PNG: ours, and OpenCV's.

    python benchmarks/png_writer.py PHOTO [PHOTO ...]

The photos are laid side by side at their own pixels until 4000x3000 are full: natural detail,
denser than a camera's. Written as they are with full alpha, and as a cut-out: a soft-edged figure
over black, as foregrounds are. Best of five.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.media.containers.png_writer import png_file

Array = npt.NDArray[Any]

_WIDTH, _HEIGHT = 4000, 3000


def mosaic(paths: list[Path]) -> Array:
    """12 megapixels of photos side by side, BGR."""
    photos = [cv2.imread(str(path), cv2.IMREAD_COLOR) for path in paths]
    filled = np.zeros((_HEIGHT, _WIDTH, 3), np.uint8)
    index = top = 0
    while top < _HEIGHT:
        left, lowest = 0, 0
        while left < _WIDTH:
            photo = photos[index % len(photos)]
            assert photo is not None
            part = filled[top : top + photo.shape[0], left : left + photo.shape[1]]
            part[:] = photo[: part.shape[0], : part.shape[1]]
            left, lowest, index = left + photo.shape[1], max(lowest, photo.shape[0]), index + 1
        top += lowest
    return filled


def figure() -> Array:
    """The alpha of a head and shoulders with soft edges."""
    alpha = np.zeros((_HEIGHT, _WIDTH), np.uint8)
    cv2.ellipse(alpha, (_WIDTH // 2, 1100), (600, 750), 0, 0, 360, 255, -1)
    cv2.ellipse(alpha, (_WIDTH // 2, 3100), (1300, 1300), 0, 0, 360, 255, -1)
    return cv2.GaussianBlur(alpha, (0, 0), 6)


def best(make: Callable[[], bytes]) -> tuple[float, bytes]:
    """Least seconds of CPU, and the file."""
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        data = make()
        seconds.append(time.process_time() - begin)
    return min(seconds), data


def main() -> None:
    """Prints a row for each writer and picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photos", type=Path, nargs="+")
    photo = mosaic(parser.parse_args().photos)
    cv2.setNumThreads(1)
    alpha = figure()
    cutout = np.where(cv2.dilate(alpha, np.ones((33, 33)))[..., None] > 0, photo, 0)
    opaque = np.full_like(alpha, 255)
    for name, colours, share in (("photo", photo, opaque), ("cut-out", cutout, alpha)):
        bgra = np.dstack([colours, share])
        rgba = cv2.cvtColor(bgra, cv2.COLOR_BGRA2RGBA)

        def by_opencv(*settings: int, picture: Array = bgra) -> bytes:
            return cv2.imencode(".png", picture, settings)[1].tobytes()

        level_one = len(by_opencv(cv2.IMWRITE_PNG_COMPRESSION, 1))
        writers: dict[str, Callable[[], bytes]] = {
            "ours": lambda rgba=rgba: png_file(rgba),
            "OpenCV level 1": lambda make=by_opencv: make(cv2.IMWRITE_PNG_COMPRESSION, 1),
            "OpenCV default": by_opencv,
        }
        for writer, make in writers.items():
            seconds, data = best(make)
            again = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            assert np.array_equal(again, bgra)
            print(
                f"{name:8s} {writer:15s} {seconds:.3f} s of CPU, {len(data) / 1e6:.2f} MB,"
                f" {len(data) / level_one:.3f} of OpenCV's level 1"
            )


if __name__ == "__main__":
    main()
