"""Seconds and peak memory of whole cut-outs of large photos, as a shell sees them.

    python benchmarks/large_photo.py PHOTO --weights modnet.safetensors

PHOTO is enlarged (or reduced) to 12, 24 and 100 megapixels, with a camera's noise, and saved as
JPEG; then ``mattecli matte`` runs on each in a process of its own: alpha and foreground as PNG.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

_MEGAPIXELS = (12, 24, 100)


def save_large(photo: Path, megapixels: float, target: Path) -> None:
    """The photo at another size."""
    image = cv2.imread(str(photo), cv2.IMREAD_COLOR)
    assert image is not None
    scale = (megapixels * 1e6 / (image.shape[0] * image.shape[1])) ** 0.5
    large = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    rng = np.random.default_rng(0)
    for top in range(0, large.shape[0], 512):
        rows = large[top : top + 512]
        rows[:] = np.clip(np.rint(rows + rng.normal(0, 2, rows.shape)), 0, 255)
    cv2.imwrite(str(target), large, [cv2.IMWRITE_JPEG_QUALITY, 92])


def main() -> None:
    """Prints a row for each size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--refine", default="auto")
    parser.add_argument("--max-memory", default=None)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in _MEGAPIXELS:
            photo = Path(folder) / f"{megapixels}.jpg"
            save_large(given.photo, megapixels, photo)
            command = [
                *(sys.executable, "-m", "mattecli", "matte", str(photo), "--model", "modnet"),
                *("--weights", str(given.weights), "--refine", given.refine, "-o", folder + "/out"),
            ]
            if given.max_memory is not None:
                command += ["--max-memory", given.max_memory]
            begin = time.perf_counter()
            process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - begin
            cpu = used.ru_utime + used.ru_stime
            print(
                f"{megapixels} megapixels: exit status {os.waitstatus_to_exitcode(status)},"
                f" {seconds:.1f} s, {cpu:.1f} s of CPU, peak {used.ru_maxrss / 1e6:.2f} GB",
                flush=True,
            )


if __name__ == "__main__":
    main()
