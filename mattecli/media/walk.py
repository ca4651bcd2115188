"""Walks through folders: in natural order, without hidden files, each folder once."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from mattecli.media.paths import is_folder
from mattecli.media.patterns import real_name

__all__ = ["Folder", "natural_key", "visible_entries", "walk"]

_DIGITS = re.compile(r"([0-9]+)")


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """A key that sorts as people do: img2 before img10, letters without regard to case."""
    parts = _DIGITS.split(name.casefold())  # text and digits in turn
    return tuple(int(part) if index % 2 else part for index, part in enumerate(parts)), name


def visible_entries(folder: Path) -> list[Path]:
    """What lies directly in a folder and is not hidden, in natural order.

    Raises:
        OSError: the folder cannot be read.
    """
    shown = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return sorted(shown, key=lambda entry: natural_key(entry.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """One folder that a walk came to.

    Attributes:
        path: the folder.
        below: its path relative to the folder in which the walk began.
        entries: what lies in it and is not hidden, in natural order.
        error: why it cannot be read; there are no entries then.
    """

    path: Path
    below: PurePath
    entries: Sequence[Path] = ()
    error: OSError | None = None


def walk(
    top: Path,
    below: PurePath | None = None,
    *,
    recursive: bool,
    excluded: Collection[str] = (),
    entered: Callable[[Folder], Sequence[Path]] = lambda folder: folder.entries,
) -> Iterator[Folder]:
    """A folder, then its subfolders in natural order, each followed by its own subfolders.

    Links to folders are followed, but a folder that can be reached in several ways comes once.

    Args:
        top: the folder in which to begin.
        below: ``Folder.below`` of ``top``, where it lies in a larger tree.
        recursive: subfolders are entered.
        excluded: subfolders that are not entered, as ``patterns.real_name`` gives them.
        entered: says which of a folder's entries are entered if they are folders.

    Yields:
        Each folder; after one that cannot be read the walk goes on.
    """
    seen: set[tuple[int, int]] = set()
    pending = [(top, below or PurePath())]
    while pending:
        path, relative = pending.pop()
        try:
            status, entries = path.stat(), visible_entries(path)
        except OSError as error:
            yield Folder(path=path, below=relative, error=error)
            continue
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        folder = Folder(path=path, below=relative, entries=entries)
        yield folder
        if recursive:
            inner = [entry for entry in reversed(entered(folder)) if is_folder(entry)]
            inner = [entry for entry in inner if real_name(entry) not in excluded]
            pending += [(entry, relative / entry.name) for entry in inner]
