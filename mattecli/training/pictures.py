"""The user's pictures: which files a folder holds, which alpha belongs to which photo."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mattecli.errors import PairingError, UsageError, shown_path
from mattecli.media.formats import EXTENSIONS
from mattecli.media.images import read_levels, read_picture
from mattecli.ops.pixels import to_levels

__all__ = ["image_files", "labelled_pairs", "pictures_digest", "read_alpha", "read_photo"]

Levels = npt.NDArray[np.uint8]


def image_files(folder: Path) -> list[Path]:
    """The images in ``folder``, by name, without hidden ones; none if there is no such folder."""
    paths = folder.iterdir() if folder.is_dir() else ()
    return sorted(
        path
        for path in paths
        if path.suffix.lower() in EXTENSIONS and path.name[0] != "." and path.is_file()
    )


def labelled_pairs(folder: Path) -> list[tuple[Path, Path]]:
    """Photos in ``folder/image`` with the alphas of the same stem in ``folder/alpha``.

    Raises:
        PairingError: there is no photo, or one without alpha.
        UsageError: two photos, or two alphas, have the same stem.
    """
    photos = _by_stem(image_files(folder / "image"))
    alphas = _by_stem(image_files(folder / "alpha"))
    if not photos:
        raise PairingError("has no photos to train on", path=folder / "image")
    for stem, path in photos.items():
        if stem not in alphas:
            raise PairingError(
                "has no alpha", path=path, remedy=f"add {stem} to {folder / 'alpha'}"
            )
    return [(path, alphas[stem]) for stem, path in photos.items()]


def read_photo(path: Path) -> Levels:
    """The photo in a file, upright, H,W,3 RGB; more than 8 bits are rounded.

    Raises:
        ImageReadError: it cannot be read.
        ResourceError: memory does not suffice.
    """
    return to_levels(read_picture(path).color)


def read_alpha(path: Path) -> Levels:
    """The alpha in a file, upright, H,W; more than 8 bits are rounded.

    Raises:
        ImageReadError: it cannot be read.
        ResourceError: memory does not suffice.
    """
    return to_levels(read_levels(path))


def pictures_digest(*folders: Path) -> str:
    """SHA-256, in hex, of the names and sizes of the images in folders, wherever these lie."""
    files = [
        (n, os.fsdecode(p.name), p.stat().st_size)
        for n, f in enumerate(folders)
        for p in image_files(f)
    ]
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def _by_stem(paths: Sequence[Path]) -> dict[str, Path]:
    """Files by stem, in their order.

    Raises:
        UsageError: two have the same.
    """
    found: dict[str, Path] = {}
    for path in paths:
        first = found.setdefault(path.stem, path)
        if first is not path:
            raise UsageError(
                f"has the same stem as {shown_path(first.name)}, so pairs are not clear",
                path=path,
                remedy="rename or remove one of them",
            )
    return found
