"""Which images an earlier run made, told by their names.

``meant_among`` looks at one folder and decides photo by photo, while inputs are found.
``outputs_of_kind`` looks at all inputs of a command that takes one kind of output and decides
folder by folder, since such a folder often holds no photos to tell by.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from mattecli.errors import shown_text

__all__ = [
    "COMPOSITES",
    "KINDS",
    "MATTES",
    "TRIMAPS",
    "LeftOut",
    "meant_among",
    "origins",
    "outputs_of_kind",
    "stem_with_suffix",
]

MATTES, TRIMAPS, COMPOSITES = "mattes", "trimaps", "composites"
"""Folders that outputs go to when the user says nothing."""

KINDS = ("alpha", "foreground", "composite", "trimap", "mask", "preview")
"""The kinds of output that commands write beside a photo, as in ``photo-alpha.png``."""

_OUTPUT = re.compile(rf"(.+)-({'|'.join(KINDS)})", re.DOTALL)


_NAMED = 3


@dataclass(slots=True)
class LeftOut:
    """Files in folders that are taken for earlier outputs, for the user to be told.

    Attributes:
        count: how many.
        some: names of the first.
    """

    count: int = 0
    some: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """One more."""
        self.count += 1
        if len(self.some) < _NAMED:
            self.some.append(name)

    def __str__(self) -> str:
        files = "file" if self.count == 1 else "files"
        names = ", ".join(map(shown_text, self.some)) + (", ..." if self.count > _NAMED else "")
        return f"{self.count} {files} taken for earlier outputs ({names})"


class _HasPath(Protocol):
    @property
    def path(self) -> Path: ...


S = TypeVar("S", bound=_HasPath)


def stem_with_suffix(name: str) -> str:
    """What stands for the stem where several files share it: ``a_jpg`` for ``a.jpg``."""
    path = Path(name)
    return f"{path.stem}_{path.suffix[1:]}" if path.suffix else path.stem


def meant_among(
    images: Sequence[str],
    asked: Iterable[str],
    wanted: Sequence[str],
    left_out: LeftOut | None = None,
) -> list[str]:
    """Those of a folder's images that are no earlier outputs, or are outputs of a wanted kind.

    An image is taken for an earlier output if it is named as outputs are by default (``a-alpha``)
    and its photo (``a``) lies beside it. Where a photo has outputs of a wanted kind, the most
    preferred of them is taken instead of the photo and its other outputs.

    Args:
        images: names of all images in the folder.
        asked: the names to choose from.
        wanted: kinds of output that are taken, most preferred first.
        left_out: is told of outputs in whose place no other is taken.
    """
    stems = Counter(Path(name).stem for name in images)
    photos = stems.keys() | {stem_with_suffix(name) for name in images}
    there = set(images)
    listed = [name for name in asked if name in there]
    outputs = {name: _OUTPUT.fullmatch(Path(name).stem) for name in listed}
    best: dict[str, int] = {}
    replaced: set[str] = set()
    for name, output in outputs.items():
        if output is not None and output[2] in wanted:
            rank = wanted.index(output[2])
            best[output[1]] = min(rank, best.get(output[1], rank))
            replaced |= set(origins(Path(name).stem))

    def is_meant(name: str) -> bool:
        output, stem = outputs[name], Path(name).stem
        if stem_with_suffix(name) in replaced or (stem in replaced and stems[stem] == 1):
            return False  # of several photos of one stem nobody knows which the output is of
        if output is None or (output[1] not in photos and output[1] not in best):
            return True
        return output[1] in best and output[2] == wanted[best[output[1]]]

    meant = [name for name in listed if is_meant(name)]
    if left_out is not None and len(meant) < len(listed):
        taken = set(meant)
        for name, output in outputs.items():
            if name not in taken and output is not None and output[1] not in best:
                left_out.add(name)
    return meant


def origins(stem: str) -> Iterator[str]:
    """What an output was made from, and that from, as with ``photo-mask-trimap``."""
    output = _OUTPUT.fullmatch(stem)
    if output is not None:
        yield output[1]
        yield from origins(output[1])


def outputs_of_kind(sources: Sequence[S], kind: str) -> list[S]:
    """The sources without outputs of other kinds, in folders that hold any output of ``kind``.

    Unlike ``meant_among`` this needs no photo: in a folder with ``a-alpha`` and ``b-trimap``, and
    ``alpha`` as the kind, ``b-trimap`` is left out.

    Args:
        sources: inputs, in order.
        kind: the kind that is wanted, one of ``KINDS``.
    """
    others = tuple(f"-{other}" for other in KINDS if other != kind)
    stems = [(source.path.parent, source.path.stem) for source in sources]
    run_folders = {folder for folder, stem in stems if stem.endswith(f"-{kind}")}
    return [
        source
        for source, (folder, stem) in zip(sources, stems, strict=True)
        if folder not in run_folders or not stem.endswith(others)
    ]
