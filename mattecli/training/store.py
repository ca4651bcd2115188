"""Labelled photos, decoded once and kept as raw pixels on disk.

Decoding and separating a photo costs more than a training step; from the store a picture is a
slice of a memory map, shared by all processes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mattecli.errors import PairingError, UsageError
from mattecli.ops.foreground import decontaminated
from mattecli.records import Size
from mattecli.training.emptied import emptied
from mattecli.training.pictures import (
    image_files,
    labelled_pairs,
    pictures_digest,
    read_alpha,
    read_photo,
)
from mattecli.training.processes import made_ahead
from mattecli.training.writing import replacing

__all__ = ["Entry", "PictureStore", "Subject", "build_store"]

Levels = npt.NDArray[np.uint8]

# Raised whenever the same files would give other pixels: an older store is made anew.
_VERSION = 2
_CHANNELS = 10  # photo 3, foreground 3, background 3, alpha 1
_PHOTO, _FRONT, _BACK, _ALPHA = slice(0, 3), slice(3, 6), slice(6, 9), 9


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a picture lies in the store, and its subject's box.

    Attributes:
        name: file name without folder.
        offset: of its first byte.
        height, width: pixels.
        box: left, top, right, bottom of alpha >= 0.5 (right and bottom exclusive); all 0 where
            nobody is in the picture.
        fit_to_move: the picture's sides and top do not cut the subject, so that it may be put
            anywhere (a cut at the bottom belongs at the bottom of a new picture).
    """

    name: str
    offset: int
    height: int
    width: int
    box: tuple[int, int, int, int]
    fit_to_move: bool

    @property
    def is_whole(self) -> bool:
        """Whether the subject does not reach the picture's bottom: mostly a standing person."""
        return self.fit_to_move and self.box[3] < self.height - 2


@dataclass(frozen=True, slots=True)
class Subject:
    """A labelled photo and its layers; colours H,W,3 RGB, alpha H,W."""

    photo: Levels
    foreground: Levels
    background: Levels
    alpha: Levels


class PictureStore:
    """Read access to a folder made by ``build_store``.

    Args:
        folder: holds ``pictures.raw``, ``index.json`` and ``plates.raw``.

    Attributes:
        entries: the labelled photos.
        plates: the photos without people.
        movable: numbers of the photos whose subject may be put anywhere.
        whole: those of them that show the whole subject.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        index = json.loads((folder / "index.json").read_text())
        self.entries = [_entry(row) for row in index["pictures"]]
        self.plates = [_entry(row) for row in index["plates"]]
        self._pixels = np.memmap(folder / "pictures.raw", np.uint8, "r")
        self._plate_pixels = (
            np.memmap(folder / "plates.raw", np.uint8, "r") if self.plates else None
        )
        self.movable = [i for i, entry in enumerate(self.entries) if entry.fit_to_move]
        self.whole = [i for i in self.movable if self.entries[i].is_whole]

    def __reduce__(self) -> tuple[type[PictureStore], tuple[Path]]:
        return PictureStore, (self.folder,)  # another process maps the files itself

    def subject(self, index: int) -> Subject:
        """The labelled photo number ``index``."""
        planes = _slice(self._pixels, self.entries[index], _CHANNELS)
        return Subject(
            planes[..., _PHOTO], planes[..., _FRONT], planes[..., _BACK], planes[..., _ALPHA]
        )

    def plate(self, index: int) -> Levels:
        """The photo without people number ``index``, H,W,3 RGB."""
        assert self._plate_pixels is not None
        return _slice(self._plate_pixels, self.plates[index], 3)


def build_store(
    data: Path,
    folder: Path,
    report: Callable[[int, int], None] = lambda _done, _all: None,
    workers: int = 0,
) -> PictureStore:
    """Decode ``data`` into ``folder``, unless that was done before.

    Args:
        data: holds ``image`` and ``alpha`` (same stems), or these in ``train``; and, optionally,
            ``backgrounds`` without anybody.
        folder: where the pixels go; about ten bytes for each pixel.
        report: called with the number of photos decoded so far, and that of all.
        workers: processes that decode and separate, if more than one.

    Raises:
        PairingError: a photo has no alpha, or one of another size.
        ImageReadError: a file cannot be decoded.
        UsageError: ``folder`` was made of other pictures, or two pictures have the same stem.
        ResourceError: memory or disk do not suffice.
    """
    index = folder / "index.json"
    labelled = data / "train" if (data / "train").is_dir() else data
    source = pictures_digest(labelled / "image", labelled / "alpha", data / "backgrounds")
    if not _is_made(index, source, data):
        folder.mkdir(parents=True, exist_ok=True)
        index.unlink(missing_ok=True)
        pictures = _write(folder / "pictures.raw", _pictures(labelled, report, workers))
        plates = _write(folder / "plates.raw", _plates(data / "backgrounds"))
        rows = {"pictures": [asdict(e) for e in pictures], "plates": [asdict(e) for e in plates]}
        with replacing(index) as part:  # last: its presence says that the pixels are complete
            part.write_text(json.dumps({"version": _VERSION, "source": source, **rows}))
    return PictureStore(folder)


def _is_made(index: Path, source: str, data: Path) -> bool:
    """Whether there is a complete store of today's version.

    Raises:
        UsageError: there is one of other pictures.
    """
    if not index.exists():
        return False
    told = json.loads(index.read_text())
    if told.get("version") != _VERSION:
        return False
    if told["source"] != source:
        raise UsageError(
            f"{index.parent} holds other pictures than {data}",
            remedy="remove it, or choose another folder",
        )
    return True


class _Layers:
    """The layers of labelled photos by number, H,W,10."""

    def __init__(self, pairs: Sequence[tuple[Path, Path]]) -> None:
        self._pairs = pairs

    def __getitem__(self, number: int) -> Levels:
        image, truth = self._pairs[number]
        photo, alpha = read_photo(image), read_alpha(truth)
        if Size.of(alpha) != Size.of(photo):
            raise PairingError(
                f"the alpha is {Size.of(alpha)}, its photo {Size.of(photo)}",
                path=truth,
                remedy="make it of the size at which the photo is shown, upright",
            )
        return np.dstack((photo, decontaminated(photo, alpha), emptied(photo, alpha), alpha))


def _pictures(
    folder: Path, report: Callable[[int, int], None], workers: int
) -> Generator[tuple[str, Levels]]:
    pairs = labelled_pairs(folder)
    # A single other process would be no faster than this one with OpenCV's threads.
    made = made_ahead(_Layers(pairs), range(len(pairs)), workers if workers > 1 else 0)
    for done, ((image, _), planes) in enumerate(zip(pairs, made, strict=True), start=1):
        yield image.name, np.asarray(planes)
        report(done, len(pairs))


def _plates(folder: Path) -> Generator[tuple[str, Levels]]:
    for path in image_files(folder):
        yield path.name, read_photo(path)


def _write(path: Path, images: Generator[tuple[str, Levels]]) -> list[Entry]:
    entries: list[Entry] = []
    with path.open("wb") as file, closing(images):
        for name, planes in images:
            entries.append(_described(name, file.tell(), planes))
            file.write(np.ascontiguousarray(planes).tobytes())
    return entries


def _described(name: str, offset: int, planes: Levels) -> Entry:
    height, width = planes.shape[:2]
    alpha = planes[..., _ALPHA] >= 128 if planes.shape[2] == _CHANNELS else np.zeros((1, 1), bool)
    rows, columns = np.flatnonzero(alpha.any(1)), np.flatnonzero(alpha.any(0))
    if not rows.size:
        return Entry(name, offset, height, width, (0, 0, 0, 0), False)
    left, top = int(columns[0]), int(rows[0])
    right, bottom = int(columns[-1]) + 1, int(rows[-1]) + 1
    upper = alpha[: top + (bottom - top) * 2 // 3]  # shoulders may be cut low at the sides
    cut = alpha[0].any() or upper[:, 0].any() or upper[:, -1].any()
    return Entry(name, offset, height, width, (left, top, right, bottom), not cut)


def _entry(row: dict[str, object]) -> Entry:
    box: Sequence[int] = row.pop("box")  # type: ignore[assignment] # JSON written by us
    return Entry(**row, box=tuple(box))  # type: ignore[arg-type] # JSON written by us


def _slice(pixels: npt.NDArray[np.uint8], entry: Entry, channels: int) -> Levels:
    count = entry.height * entry.width * channels
    flat: Levels = pixels[entry.offset : entry.offset + count]
    return flat.reshape(entry.height, entry.width, channels)
