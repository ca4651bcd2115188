"""Which inputs a command has: files, folders, patterns, lists and standard input, in order.

A file that was named is an input, whatever it is called and whether or not it is there: reading it
says what is wrong, and the others go on. Out of folders and patterns only images are taken, without
hidden ones and without what an earlier run wrote.
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import BinaryIO

from mattecli.errors import ImageReadError
from mattecli.media.causes import read_words
from mattecli.media.earlier import LeftOut, meant_among
from mattecli.media.file_list import STDIN, listed_paths, require_names
from mattecli.media.formats import EXTENSIONS
from mattecli.media.paths import is_folder, is_ordinary_file, is_there
from mattecli.media.patterns import has_wildcards, matches_of, plain_start, real_name
from mattecli.media.pipes import read_stdin
from mattecli.media.stores.place import as_path
from mattecli.media.stores.service import forget_listings
from mattecli.media.walk import natural_key, walk

__all__ = ["InputRequest", "Source", "failing", "find_inputs", "once", "unreadable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One input.

    Attributes:
        path: the file; ``-`` for standard input.
        folder: where it lies below the folder or pattern that it was found by; outputs keep this
            structure. Empty for files that were named.
        is_found: it was not named, but lies in a folder or fits a pattern that was.
        is_stdin: it is standard input (a file may be called ``-`` too).
        label: tells outputs apart where one file is used several times, with one background each,
            and is part of their names; else empty.
        error: why there is nothing to read, for a folder or pattern without images.
    """

    path: Path
    folder: PurePath = field(default_factory=PurePath)
    is_found: bool = False
    is_stdin: bool = False
    label: str = ""
    error: ImageReadError | None = None

    @property
    def name(self) -> str:
        """The file's name, for the names of outputs."""
        return "stdin" if self.is_stdin else self.path.name

    def content(self, stdin: BinaryIO | None = None) -> Path | bytes:
        """What readers of images take: the path, or all bytes of standard input.

        Args:
            stdin: read instead of the process's standard input.

        Raises:
            ImageReadError: ``error``.
        """
        if self.error is not None:
            raise self.error
        return read_stdin(stdin or sys.stdin.buffer) if self.is_stdin else self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class InputRequest:
    """What the user gave.

    Attributes:
        paths: files, folders, patterns, and ``-`` for standard input.
        recursive: folders are searched with their subfolders.
        files_from: a file that lists more paths, or ``-`` for standard input.
        null_separated: that list's names end in NUL instead of a newline.
        excluded: folders that are not searched where they lie inside an input folder: those of
            outputs, and of trimaps and other companions of the inputs.
        wanted: kinds of earlier mattecli outputs that this command takes as inputs, most preferred
            first; empty: outputs are skipped.
        left_out: is told of files that are taken for earlier outputs.
        stdin: read instead of the process's standard input.
    """

    paths: tuple[str | Path, ...] = ()
    recursive: bool = False
    files_from: str | Path | None = None
    null_separated: bool = False
    excluded: tuple[Path, ...] = ()
    wanted: tuple[str, ...] = ()
    left_out: LeftOut = field(default_factory=LeftOut)
    stdin: BinaryIO | None = None


def find_inputs(request: InputRequest) -> list[Source]:
    """All inputs: arguments in their order, then the list's; each file once.

    A folder's files come in natural order (img2 before img10), then its subfolders likewise. A
    pattern is expanded only where no file has that literal name.

    Raises:
        UsageError: a name makes no sense, the list cannot be read, or standard input is wanted
            twice.
    """
    names = [os.fspath(path) for path in request.paths]
    require_names(names)
    forget_listings()
    listed = listed_paths(
        request.files_from,
        names,
        null_separated=request.null_separated,
        stdin=request.stdin,
    )
    search = _Search(request)
    found = [source for name in names for source in search.by_argument(name)]
    found += [source for path in listed for source in search.by_path(path)]
    return list(once(found))


class _Search:
    """Finds the images that a name stands for."""

    def __init__(self, request: InputRequest) -> None:
        self._wanted = request.wanted
        self._left_out = request.left_out
        self._recursive = request.recursive
        self._excluded = {real_name(folder) for folder in request.excluded}

    def by_argument(self, name: str) -> list[Source]:
        """What an argument stands for: standard input, a pattern, a folder or a file."""
        if name == STDIN:
            return [Source(path=Path(STDIN), is_stdin=True)]
        path = as_path(name)
        if has_wildcards(name) and not os.path.lexists(name):
            return self._by_pattern(path)
        return self.by_path(path)

    def by_path(self, path: Path) -> list[Source]:
        """A folder's images, or the file itself."""
        if not is_folder(path):
            return [Source(path=path)]
        found = list(self._in_folder(path, PurePath()))
        if found:
            return found
        remedy = "name another" if self._recursive else "name another, or use -r for subfolders"
        return [failing(path, "there is no image in this folder", remedy)]

    def _by_pattern(self, pattern: Path) -> list[Source]:
        base = plain_start(pattern)
        matches = sorted(matches_of(pattern), key=lambda path: natural_key(str(path)))
        names: dict[Path, list[str]] = defaultdict(list)
        for match in matches:
            names[match.parent].append(match.name)
        meant: dict[Path, frozenset[str]] = {}
        found: list[Source] = []
        for match in matches:
            folder = PurePath(os.path.relpath(match.parent, base))
            if ".." in folder.parts:  # a pattern that climbs has no structure to keep
                folder = PurePath()
            if is_folder(match):
                if self._recursive and self._is_searched(match):
                    found += self._in_folder(match, folder / match.name)
                continue
            if match.parent not in meant:
                images = _images_in(_beside(match))
                meant[match.parent] = frozenset(self._meant(images, names[match.parent]))
            if match.name in meant[match.parent]:
                found.append(Source(path=match, folder=folder, is_found=True))
        return found or [failing(pattern, "no image matches", "check the pattern")]

    def _in_folder(self, top: Path, below: PurePath) -> Iterator[Source]:
        """A folder's images, then its subfolders'."""
        for folder in walk(top, below, recursive=self._recursive, excluded=self._excluded):
            if folder.error is not None:
                yield unreadable(folder.path, folder.error)
            images = _images_in(folder.entries)
            for name in self._meant(images, images):
                yield Source(path=folder.path / name, folder=folder.below, is_found=True)

    def _meant(self, images: Sequence[str], asked: Sequence[str]) -> list[str]:
        return meant_among(images, asked, self._wanted, self._left_out)

    def _is_searched(self, folder: Path) -> bool:
        return not folder.name.startswith(".") and real_name(folder) not in self._excluded


def failing(path: Path, cause: str, remedy: str) -> Source:
    """A source that holds nothing to read, and says why."""
    return Source(path=path, error=ImageReadError(cause, path=path, remedy=remedy))


def unreadable(folder: Path, error: OSError) -> Source:
    """A source that stands for a folder that could not be read."""
    cause = f"the folder cannot be read ({error.strerror or error})"
    return failing(folder, cause, read_words(error)[1])


def _beside(path: Path) -> list[Path]:
    """What lies in the folder of a file; the file alone where the folder may not be listed."""
    try:
        return list(path.parent.iterdir())
    except OSError:
        return [path]


def _images_in(entries: Iterable[Path]) -> list[str]:
    """Names of a folder's images, in their order, without hidden files.

    Links that lead nowhere stay: reading them will say so.
    """
    return [
        entry.name
        for entry in entries
        if not entry.name.startswith(".")
        and entry.suffix.lower() in EXTENSIONS
        and (is_ordinary_file(entry) or not is_there(entry))
    ]


def once(sources: Iterable[Source]) -> Iterator[Source]:
    """Each file the first time only; two names of one file (links) are two files."""
    seen: set[tuple[str, str] | None] = set()
    folders: dict[Path, str] = {}
    for source in sources:
        folder = source.path.parent
        if folder not in folders:
            folders[folder] = real_name(folder)
        key = None if source.is_stdin else (folders[folder], source.path.name)
        if key not in seen:
            seen.add(key)
            yield source
