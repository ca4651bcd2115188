"""Which inputs a command has: files, folders, patterns, lists and standard input, in order.

A file that was named is an input, whatever it is called and whether or not it is there: reading it
says what is wrong, and the others go on. Out of folders and patterns only images are taken, without
hidden ones and without what an earlier run wrote.
"""

from __future__ import annotations

import codecs
import errno
import os
import re
import stat
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import BinaryIO

from mattecli.errors import ImageReadError, UsageError
from mattecli.media.earlier import KINDS, meant_among
from mattecli.media.formats import EXTENSIONS
from mattecli.media.paths import is_folder
from mattecli.media.patterns import is_pattern, matches_of, plain_start, real_name
from mattecli.media.pipes import read_stdin
from mattecli.media.stores.path import StorePath, list_ahead
from mattecli.media.stores.place import as_path
from mattecli.media.stores.service import forget_listings

__all__ = [
    "InputRequest",
    "Source",
    "find_inputs",
    "listed_paths",
    "natural_key",
    "once",
    "outputs_of_kind",
]

_STDIN = "-"
_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One input.

    Attributes:
        path: the file; ``-`` for standard input.
        folder: where it lies below the folder or pattern that it was found by; outputs keep this
            structure. Empty for files that were named.
        is_found: it was not named, but lies in a folder or fits a pattern that was.
        is_stdin: it is standard input (a file may be called ``-`` too).
        label: tells its outputs from others of the same file, and is part of their names: that of
            a background. Empty where it is used once.
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
        excluded: folders that are not searched where they lie inside an input folder: where
            outputs go, and where what belongs to the inputs lies.
        wanted: kinds of output that are meant instead of the photo they were made from, and of the
            other kinds, best first; none: photos are meant.
        stdin: read instead of the process's standard input.
    """

    paths: tuple[str | Path, ...] = ()
    recursive: bool = False
    files_from: str | Path | None = None
    null_separated: bool = False
    excluded: tuple[Path, ...] = ()
    wanted: tuple[str, ...] = ()
    stdin: BinaryIO | None = None


def find_inputs(request: InputRequest) -> list[Source]:
    """All inputs: arguments in their order, then the list's; each file once.

    A folder's files come in natural order (img2 before img10), then its subfolders likewise. A
    pattern is expanded only where no file has that literal name.

    Raises:
        UsageError: the list cannot be read, or standard input is wanted twice.
    """
    names = [os.fspath(path) for path in request.paths]
    if _STDIN in names and request.files_from == _STDIN:
        raise UsageError("standard input cannot be both an image and the list of files")
    if any("\0" in name for name in names):
        raise UsageError("a name holds a NUL byte", remedy="check the names")
    if "" in names:
        raise UsageError("an input is empty", remedy="give a file, or . for the current folder")
    forget_listings()
    search = _Search(request.recursive, request.excluded, request.wanted)
    paths = listed_paths(request)
    found = [source for name in names for source in search.by_argument(name)]
    found += [source for path in paths for source in search.by_path(path)]
    return list(once(found))


def natural_key(name: str) -> tuple[tuple[str | int, ...], str]:
    """A key that sorts as people do: img2 before img10, letters without regard to case."""
    parts = _DIGITS.split(name.casefold())  # text and digits in turn
    return tuple(int(part) if index % 2 else part for index, part in enumerate(parts)), name


def outputs_of_kind(sources: Sequence[Source], kind: str) -> list[Source]:
    """Without the other kinds of output (``a-alpha``) in folders where ``kind`` lies too.

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


def listed_paths(request: InputRequest) -> list[Path]:
    """What the list of files names; nothing where there is none.

    Raises:
        UsageError: it cannot be read, or makes no sense.
    """
    listed = _listed(request)
    if any("\0" in name for name in listed):
        raise UsageError("a name holds a NUL byte", remedy="was -0 forgotten?")
    paths = [as_path(name) for name in listed]
    list_ahead(paths)
    return paths


def _listed(request: InputRequest) -> list[str]:
    """The names in the list, without empty ones."""
    if request.files_from is None:
        return []
    if request.files_from == _STDIN:
        data = (request.stdin or sys.stdin.buffer).read()
    else:
        path = as_path(request.files_from)
        try:
            data = _whole_list(path)
        except (OSError, ValueError) as error:
            cause = getattr(error, "strerror", None) or str(error)
            raise UsageError(f"the list of files cannot be read ({cause})", path=path) from error
    if request.null_separated:
        lines = data.split(b"\0")
    else:
        text = data.removeprefix(codecs.BOM_UTF8)
        lines = [line.removesuffix(b"\r") for line in text.split(b"\n")]
    return [os.fsdecode(line) for line in lines if line]


def _whole_list(path: Path) -> bytes:
    """All bytes of a file or pipe; a device may have no end."""
    if isinstance(path, StorePath):
        return path.read_bytes()
    with path.open("rb") as stream:
        if stat.S_ISCHR(os.fstat(stream.fileno()).st_mode):
            raise OSError(errno.EINVAL, "it is a device, not a file")
        return stream.read()


class _Search:
    """Finds the images that a name stands for.

    Args:
        recursive: folders are searched with their subfolders.
        excluded: folders that are not searched when they lie inside another.
        wanted: kinds of output that are meant, best first.
    """

    def __init__(
        self, recursive: bool, excluded: Iterable[Path], wanted: Sequence[str] = ()
    ) -> None:
        self._wanted = wanted
        self._recursive = recursive
        self._excluded = {real_name(folder) for folder in excluded}

    def by_argument(self, name: str) -> list[Source]:
        """What an argument stands for: standard input, a pattern, a folder or a file."""
        if name == _STDIN:
            return [Source(path=Path(_STDIN), is_stdin=True)]
        path = as_path(name)
        if is_pattern(name) and not os.path.lexists(name):
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
        return [_failing(path, "there is no image in this folder", remedy)]

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
                chosen = meant_among(images, names[match.parent], self._wanted)
                meant[match.parent] = frozenset(chosen)
            if match.name in meant[match.parent]:
                found.append(Source(path=match, folder=folder, is_found=True))
        return found or [_failing(pattern, "no image matches", "check the pattern")]

    def _in_folder(self, top: Path, below: PurePath) -> Iterator[Source]:
        """A folder's images, then its subfolders'; every folder once, whatever links there are."""
        seen: set[tuple[int, int]] = set()
        pending = [(top, below)]
        while pending:
            folder, relative = pending.pop()
            try:
                status = folder.stat()
                entries = sorted(folder.iterdir(), key=lambda entry: natural_key(entry.name))
            except OSError as error:
                cause = f"the folder cannot be read ({error.strerror})"
                yield _failing(folder, cause, "change its permissions")
                continue
            identity = (status.st_dev, status.st_ino)
            if identity in seen:
                continue
            seen.add(identity)
            images = _images_in(entries)
            for name in meant_among(images, images, self._wanted):
                yield Source(path=folder / name, folder=relative, is_found=True)
            if self._recursive:
                subfolders = [entry for entry in entries if self._is_searched(entry)]
                pending += [(entry, relative / entry.name) for entry in reversed(subfolders)]

    def _is_searched(self, entry: Path) -> bool:
        return (
            not entry.name.startswith(".")
            and entry.is_dir()
            and real_name(entry) not in self._excluded
        )


def _failing(path: Path, cause: str, remedy: str) -> Source:
    return Source(path=path, error=ImageReadError(cause, path=path, remedy=remedy))


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
        and (entry.is_file() or not entry.exists())
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
