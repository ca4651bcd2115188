"""Which videos the user means: files, folders, folders of frames, patterns, lists, a stream."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

from mattecli.errors import ImageReadError, UsageError
from mattecli.jobs.plan import is_piped
from mattecli.media.formats import EXTENSIONS
from mattecli.media.paths import is_folder
from mattecli.media.patterns import is_pattern as has_wildcards
from mattecli.media.patterns import matches_of, real_name
from mattecli.media.sources import InputRequest, Source, listed_paths, natural_key, once
from mattecli.media.stores.place import as_path
from mattecli.media.stores.service import forget_listings
from mattecli.settings.video import VideoOptions

__all__ = ["VIDEO_SUFFIXES", "find_videos"]

_SUFFIXES = """
.mp4 .m4v .mov .mkv .webm .avi .ts .mts .m2ts .mpg .mpeg .mxf .wmv .flv .ogv .gif .3gp .y4m .nut
.vob .dv
"""
VIDEO_SUFFIXES = frozenset(_SUFFIXES.split())
"""What counts as a video in a folder."""

_KINDS = "alpha|foreground|fill|composite"
_MADE = re.compile(rf"(.+)-(?:{_KINDS})(?:\.partial)?", re.DOTALL)


def find_videos(options: VideoOptions, folder: str) -> list[Source]:
    """All inputs, each once, in order.

    Args:
        options: of the command.
        folder: where outputs go, whose videos are no inputs.

    Raises:
        UsageError: there are none, or a name makes no sense.
    """
    source = options.source
    names: Sequence[str] = source.inputs
    if not names and source.files_from is None:
        if not is_piped():
            raise UsageError(
                "there is no input", remedy="try: mattecli video clip.mp4 -o cutout.mov"
            )
        names = ("-",)
    texts = [text for text in (folder, *options.beside) if text]
    excluded = frozenset(real_name(as_path(text)) for text in texts)
    found = [one for name in names for one in _by_argument(name, source.recursive, excluded)]
    request = InputRequest(files_from=source.files_from, null_separated=source.null)
    forget_listings()
    for path in listed_paths(request):
        whole = is_folder(path)
        found += _in_directory(path, source.recursive, excluded) if whole else [Source(path=path)]
    return list(once(found))


def _by_argument(name: str, recursive: bool, excluded: frozenset[str]) -> list[Source]:
    """The videos that one argument stands for."""
    if name == "-":
        return [Source(path=Path("-"), is_stdin=True)]
    if "\0" in name or not name:
        raise UsageError("an input is empty or holds a NUL byte", remedy="check the names")
    path = as_path(name)
    if is_folder(path):
        return _in_directory(path, recursive, excluded)
    if has_wildcards(name) and not os.path.lexists(name):
        matches = sorted(matches_of(path), key=lambda match: natural_key(str(match)))
        videos = [match for match in matches if match.suffix.lower() in VIDEO_SUFFIXES]
        return [Source(path=video) for video in videos] or [_failing(path, "no video matches")]
    return [Source(path=path)]


def _in_directory(top: Path, recursive: bool, excluded: frozenset[str]) -> list[Source]:
    """A folder's videos; or, where it holds images and no video, the folder as one sequence."""
    videos = list(_videos(top, PurePath(), recursive, excluded))
    if videos:
        return videos
    sequences = list(_sequences(top, PurePath(), excluded)) if recursive else []
    if sequences:
        return sequences
    if any(entry.suffix.lower() in EXTENSIONS for entry in top.iterdir()):
        return [Source(path=top)]
    return [_failing(top, "there is no video and no image in this folder")]


def _videos(
    folder: Path, below: PurePath, recursive: bool, excluded: frozenset[str]
) -> Iterator[Source]:
    entries = sorted(folder.iterdir(), key=lambda entry: natural_key(entry.name))
    shown = [entry for entry in entries if not entry.name.startswith(".")]
    names = [e.name for e in shown if e.suffix.lower() in VIDEO_SUFFIXES and not e.is_dir()]
    stems = {Path(name).stem for name in names}
    for name in names:
        made = _MADE.fullmatch(Path(name).stem)
        if made is None or made[1] not in stems:
            yield Source(path=folder / name, folder=below)
    for entry in shown if recursive else ():
        if entry.is_dir() and not entry.is_symlink() and real_name(entry) not in excluded:
            yield from _videos(entry, below / entry.name, recursive, excluded)


def _sequences(folder: Path, below: PurePath, excluded: frozenset[str]) -> Iterator[Source]:
    """Folders of images, each one sequence, this one and those in it."""
    entries = sorted(folder.iterdir(), key=lambda entry: natural_key(entry.name))
    shown = [entry for entry in entries if not entry.name.startswith(".")]
    if any(entry.suffix.lower() in EXTENSIONS and not entry.is_dir() for entry in shown):
        yield Source(path=folder, folder=below.parent)
    beside = {entry.stem for entry in shown} | {entry.name for entry in shown}
    for entry in shown:
        made = _MADE.fullmatch(entry.name)
        if made is not None and made[1] in beside:
            continue
        if entry.is_dir() and not entry.is_symlink() and real_name(entry) not in excluded:
            yield from _sequences(entry, below / entry.name, excluded)


def _failing(path: Path, cause: str) -> Source:
    error = ImageReadError(cause, path=path, remedy="check the name, or use -r for subfolders")
    return Source(path=path, error=error)
