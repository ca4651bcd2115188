"""Backgrounds of the composite command: one for all, or a folder of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mattecli.jobs.fills import Fill, PictureFill, parse_fill
from mattecli.media.images import read_picture
from mattecli.media.paths import is_folder
from mattecli.media.sources import InputRequest, find_inputs
from mattecli.media.stores.place import as_path
from mattecli.settings.composite import Fit

__all__ = ["Background", "list_backgrounds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Background:
    """A background by name; a picture of a folder is read when its turn comes.

    Attributes:
        label: goes into the name of a composite.
        given: the one background for all.
        path: the picture of a folder. Both None: the background is transparent.
        max_pixels: the largest picture that is read.
    """

    label: str
    given: Fill | None = None
    path: Path | None = None
    max_pixels: int = 0

    def fill(self, fit: Fit) -> Fill | None:
        """What stands behind the cut-out; None: nothing does.

        Raises:
            ImageReadError: the picture cannot be read.
        """
        if self.path is not None:
            return PictureFill(read_picture(self.path, max_pixels=self.max_pixels).color, fit)
        return self.given


def list_backgrounds(text: str, fit: Fit, max_pixels: int) -> list[Background]:
    """The backgrounds that the user's text stands for, at least one.

    Args:
        text: a colour, a picture, a folder of pictures, ``transparent`` or ``blur``.
        fit: how pictures fill the frame.
        max_pixels: the largest picture that is read.

    Raises:
        UsageError: it is none of them.
        ImageReadError: the folder has no pictures, or the one picture cannot be read.
    """
    if text == "transparent":
        return [Background(label="transparent")]
    if not is_folder(as_path(text)):
        return [Background(label=as_path(text).stem, given=parse_fill(text, fit, max_pixels))]
    sources = find_inputs(InputRequest(paths=(text,)))
    for source in sources:
        if source.error is not None:
            raise source.error
    paths = [source.path for source in sources]
    return [
        Background(label=label, path=path, max_pixels=max_pixels)
        for label, path in zip(_labels(paths), paths, strict=True)
    ]


def _labels(paths: Sequence[Path]) -> list[str]:
    """Stems; where two would be alike, names."""
    labels = [path.stem for path in paths]
    for _ in range(2):  # a name may be another file's stem
        count = Counter(labels)
        labels = [
            label if count[label] == 1 else path.name
            for label, path in zip(labels, paths, strict=True)
        ]
    return labels
