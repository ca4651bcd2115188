"""Numbered images as a video."""

from __future__ import annotations

import re
from collections.abc import Generator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from mattecli.errors import ImageReadError, VideoReadError
from mattecli.media.earlier import meant_among
from mattecli.media.formats import EXTENSIONS
from mattecli.media.images import read_levels, read_picture
from mattecli.media.paths import is_folder
from mattecli.media.video.decode import Damage
from mattecli.media.video.records import ClipInfo, Colour, Frame, Span
from mattecli.media.walk import visible_entries
from mattecli.ops.pixels import to_levels
from mattecli.records import Array, Size

__all__ = [
    "SequenceReader",
    "alongside",
    "gaps_in",
    "holds_number",
    "is_pattern",
    "list_images",
    "numbered",
    "stem_of",
]

_LAST_NUMBER = re.compile(r"(.*?)(\d+)", re.DOTALL)
_NUMBER = re.compile(r"%(?:0(\d+))?d")


def holds_number(name: str) -> bool:
    """Whether a name holds ``%d`` or ``%0Nd``."""
    return _NUMBER.search(name) is not None


def is_pattern(path: Path | str) -> bool:
    """Whether a name stands for numbered images, as ``img_%04d.png`` does."""
    name = Path(path).name
    return len(_NUMBER.findall(name)) == 1 and Path(name).suffix.lower() in EXTENSIONS


def numbered(pattern: Path, number: int) -> Path:
    """The image of a pattern that bears a number; any other ``%`` stands for itself."""

    def digits(found: re.Match[str]) -> str:
        return f"{number:0{int(found[1] or 0)}d}"

    return pattern.with_name(_NUMBER.sub(digits, pattern.name))


def stem_of(pattern: Path) -> str:
    """What comes before a pattern's number, without the mark between them; may be empty."""
    return _NUMBER.split(pattern.name)[0].rstrip("-_.")


def list_images(path: Path) -> list[Path]:
    """The images of a folder or a ``%d`` pattern, in natural order.

    Raises:
        VideoReadError: there are none, or the folder cannot be read.
    """
    folder = path if is_folder(path) else path.parent
    try:
        entries = visible_entries(folder)
    except OSError as error:
        raise VideoReadError(
            f"the folder cannot be read ({error.strerror})", path=folder, remedy="check the name"
        ) from error
    found = [entry for entry in entries if entry.suffix.lower() in EXTENSIONS]
    if is_folder(path):
        names = [entry.name for entry in found]
        meant = set(meant_among(names, names, ()))  # no mattes beside their frames
        found = [entry for entry in found if entry.name in meant]
    else:
        before, after = _NUMBER.split(path.name)[0], _NUMBER.split(path.name)[-1]
        fits = re.compile(re.escape(before) + r"\d+" + re.escape(after))
        found = [entry for entry in found if fits.fullmatch(entry.name)]
    if not found:
        raise VideoReadError("there is no such image", path=path, remedy="check the name")
    return found


def numbers_of(images: Sequence[Path]) -> list[int] | None:
    """The numbers that images' names end in; None where some have none, or not one each.

    Args:
        images: in their order, all called alike before the number.
    """
    counted = [_LAST_NUMBER.fullmatch(path.stem) for path in images]
    found = [match for match in counted if match is not None]
    numbers = [int(match[2]) for match in found]
    alike = len({match[1] for match in found}) == 1
    return numbers if alike and len(set(numbers)) == len(images) else None


def alongside(images: Sequence[Path], others: Sequence[Path]) -> list[Path]:
    """Those of ``images`` that bear the numbers of ``others``; all, where some have none."""
    numbers, wanted = numbers_of(images), numbers_of(others)
    if numbers is None or wanted is None or not set(wanted) <= set(numbers):
        return list(images)
    by_number = dict(zip(numbers, images, strict=True))
    return [by_number[number] for number in wanted]


def gaps_in(images: Sequence[Path]) -> str:
    """What is missing among numbered images, for people; "" for none, or without numbers.

    Args:
        images: in their order.
    """
    numbers = numbers_of(images) or []
    ways = [then - before for before, then in pairwise(numbers)]
    step = min(ways, default=1)
    missing = [n + step for n, way in zip(numbers, ways, strict=False) if way > step]
    if step < 1 or not missing or any(way % step for way in ways):  # times, perhaps
        return ""
    count = sum(way // step - 1 for way in ways)
    return f"{count} of its images are missing, the first number {missing[0]}: the others close up"


class SequenceReader:
    """Reads images as frames, one a tick of 1/rate.

    Args:
        path: folder or pattern.
        rate: frames per second.
        span: what is wanted, in frames.
        form: RGB, or grey levels.
        beside: folder or pattern of the images that they belong to, by number where each has one.
        max_pixels: larger images are refused.
    """

    def __init__(
        self,
        path: Path,
        rate: Fraction,
        span: Span | None = None,
        *,
        form: str = "rgb",
        beside: Path | None = None,
        max_pixels: int,
    ) -> None:
        self._images = list_images(path)
        if beside is not None:
            self._images = alongside(self._images, list_images(beside))
        self._span = span or Span()
        self._form = form
        self._max_pixels = max_pixels
        self.gaps = gaps_in(self._images)
        self.damage = Damage()
        self.seconds = 0.0
        first = self._first_readable()
        self._last = first
        self._type = first.dtype
        self.info = ClipInfo(
            format="images",
            codec=self._images[0].suffix.lower().removeprefix("."),
            stream=0,
            stored=Size.of(first),
            pixels="rgb24" if first.itemsize == 1 else "rgb48le",
            depth=8 * first.itemsize,
            is_yuv=False,
            colour=Colour(range="pc"),
            time_base=1 / rate,
            rate=rate,
            frames=len(self._images),
        )

    def __iter__(self) -> Generator[Frame]:
        index = 0
        for pts, path in enumerate(self._images):
            if self._span.start is not None and pts < self._span.start:
                continue
            if self._span.end is not None and pts >= self._span.end:
                return
            image = self._read_or_none(path)
            if image is not None and Size.of(image) != self.info.size:
                raise VideoReadError(
                    f"it is {Size.of(image)}, the first image {self.info.size}",
                    path=path,
                    remedy="a video's frames have one size",
                )
            if image is not None:
                self._last = to_levels(image, self._type)
            yield Frame(index, pts, self._last, repeated=image is None)
            index += 1

    def _first_readable(self) -> Array:
        for path in self._images:
            image = self._read_or_none(path)
            if image is not None:
                self.damage = Damage()  # counted when it is its turn
                return image
        raise VideoReadError(
            "none of its images can be read",
            path=self._images[0],
            remedy="are they whole? open one with another program",
        )

    def _read_or_none(self, path: Path) -> Array | None:
        """The image, or None for one that is damaged."""
        try:
            return self._read(path)
        except ImageReadError as error:
            self.damage.repeated += 1
            self.damage.errors += 1
            self.damage.words = f"{path.name}: {error.cause}"
            return None

    def _read(self, path: Path) -> Array:
        if self._form == "grey":
            return to_levels(read_levels(path, max_pixels=self._max_pixels))
        color = read_picture(path, max_pixels=self._max_pixels).color
        return color if color.dtype.kind == "u" else to_levels(color, "uint16")
