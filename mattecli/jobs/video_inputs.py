"""Which videos the user means: files, folders, folders of frames, patterns, lists, a stream."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Container, Iterator, Sequence
from pathlib import Path

from mattecli.errors import UsageError
from mattecli.jobs.plan import is_piped
from mattecli.media.file_list import STDIN, listed_paths, require_names
from mattecli.media.formats import EXTENSIONS
from mattecli.media.paths import is_folder
from mattecli.media.patterns import has_wildcards, matches_of, real_name
from mattecli.media.sources import Source, failing, once, unreadable
from mattecli.media.stores.place import as_path
from mattecli.media.stores.service import forget_listings
from mattecli.media.walk import Folder, natural_key, walk
from mattecli.settings.video import VideoOptions

__all__ = ["VIDEO_SUFFIXES", "find_videos"]

_SUFFIXES = """
.mp4 .m4v .mov .mkv .webm .avi .ts .mts .m2ts .mpg .mpeg .mxf .wmv .flv .ogv .gif .3gp .y4m .nut
.vob .dv .mjpeg .mjpg .apng
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
        UsageError: there are none, a name or the list of files makes no sense, or standard input
            is wanted twice.
    """
    source = options.source
    names: Sequence[str] = source.inputs
    if not names and source.files_from is None:
        if not is_piped():
            raise UsageError(
                "there is no input", remedy="try: mattecli video clip.mp4 -o cutout.mov"
            )
        names = (STDIN,)
    require_names(names)
    forget_listings()
    listed = listed_paths(source.files_from, names, null_separated=source.null)
    places = [as_path(text) for text in (folder, *options.beside) if text]
    search = _Search(source.recursive, frozenset(real_name(place) for place in places))
    found = [video for name in names for video in search.by_argument(name)]
    found += [video for path in listed for video in search.by_path(path)]
    return list(once(found))


class _Search:
    """Finds the videos that a name stands for.

    Args:
        recursive: folders are searched with their subfolders.
        excluded: folders that are not searched when they lie inside another, by ``real_name``.
    """

    def __init__(self, recursive: bool, excluded: frozenset[str]) -> None:
        self._recursive = recursive
        self._excluded = excluded

    def by_argument(self, name: str) -> list[Source]:
        """What an argument stands for: standard input, a pattern, a folder or a file."""
        if name == STDIN:
            return [Source(path=Path(STDIN), is_stdin=True)]
        path = as_path(name)
        if has_wildcards(name) and not is_folder(path) and not os.path.lexists(name):
            return _by_pattern(path)
        return self.by_path(path)

    def by_path(self, path: Path) -> list[Source]:
        """A folder's videos, or the file itself.

        A folder without videos stands for its images, as the frames of one sequence.
        """
        if not is_folder(path):
            return [Source(path=path)]
        found: list[Source] = []
        for look in (self._videos, self._sequences):
            found = list(look(path))
            if any(source.error is None for source in found):
                break
        return found or [_failing(path, "there is no video and no image in this folder")]

    def _videos(self, top: Path) -> Iterator[Source]:
        for folder in walk(top, recursive=self._recursive, excluded=self._excluded):
            if folder.error is not None:
                yield unreadable(folder.path, folder.error)
            videos = [entry for entry in folder.entries if _is_called(entry, VIDEO_SUFFIXES)]
            stems = {video.stem for video in videos}
            for video in videos:
                if not _is_made_from(video.stem, stems):
                    yield Source(path=video, folder=folder.below)

    def _sequences(self, top: Path) -> Iterator[Source]:
        """Folders of images, each one sequence, without those that an earlier run wrote."""
        recursive, excluded = self._recursive, self._excluded
        for folder in walk(top, recursive=recursive, excluded=excluded, entered=_without_outputs):
            if folder.error is not None:
                yield unreadable(folder.path, folder.error)
            if any(_is_called(entry, EXTENSIONS) for entry in folder.entries):
                yield Source(path=folder.path, folder=folder.below.parent)


def _by_pattern(pattern: Path) -> list[Source]:
    matches = sorted(matches_of(pattern), key=lambda match: natural_key(str(match)))
    videos = [match for match in matches if match.suffix.lower() in VIDEO_SUFFIXES]
    return [Source(path=video) for video in videos] or [_failing(pattern, "no video matches")]


def _is_called(entry: Path, suffixes: Container[str]) -> bool:
    """Whether it is a file whose name ends in one of these."""
    return entry.suffix.lower() in suffixes and not is_folder(entry)


def _without_outputs(folder: Folder) -> list[Path]:
    """A folder's entries but for those that may hold numbered images of an earlier run."""
    names = {entry.stem for entry in folder.entries} | {entry.name for entry in folder.entries}
    return [entry for entry in folder.entries if not _is_made_from(entry.name, names)]


def _is_made_from(name: str, others: Collection[str]) -> bool:
    """Whether a name is that of an output whose input is among others' names."""
    made = _MADE.fullmatch(name)
    return made is not None and made[1] in others


def _failing(path: Path, cause: str) -> Source:
    return failing(path, cause, "check the name, or use -r for subfolders")
