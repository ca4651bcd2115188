"""Which videos there are, and where their results go; settled before anything runs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mattecli.errors import UsageError, VideoReadError, VideoWriteError
from mattecli.jobs.existing import Look, settle_existing
from mattecli.jobs.plan import shard_part
from mattecli.jobs.task import Task
from mattecli.jobs.video_inputs import find_videos
from mattecli.jobs.video_names import format_named, plan_in_folder
from mattecli.media.earlier import MATTES, LeftOut
from mattecli.media.formats import EXTENSIONS
from mattecli.media.names import require_one
from mattecli.media.overwriting import refuse_overwriting
from mattecli.media.paths import is_folder, is_ordinary_file, is_there
from mattecli.media.sources import Source
from mattecli.media.stores.place import as_path
from mattecli.media.video.containers import CONTAINERS
from mattecli.media.video.numbered import are_there, timecodes_path
from mattecli.media.video.sequence import is_pattern, list_images
from mattecli.media.video.whole import is_whole_video
from mattecli.settings.video import VideoKind, VideoOptions

__all__ = [
    "FOLDER",
    "Earlier",
    "Part",
    "VideoTask",
    "names_a_video",
    "plan_videos",
]

FOLDER = MATTES
"""Where videos go when the user says nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    """Frames made apart from the video's others: from ``first`` on, before ``end`` if any."""

    first: int
    end: int | None


@dataclass(frozen=True, slots=True)
class Earlier:
    """Notes and stage times of the parts encoded before this join."""

    notes: tuple[str, ...]
    seconds: Mapping[str, float]


@dataclass(slots=True, eq=False, kw_only=True)
class VideoTask(Task):
    """One video on its way.

    Attributes:
        formats: container, or image format, of each kind of output.
        is_staged: it and its outputs lie in a temporary folder, since they belong in a store.
        part: the frames to make, where this is one part of a video; None: the whole is made, of the
            parts that there are and the rest.
        earlier: what its parts told, where it was made in parts; else None.
    """

    formats: dict[str, str]
    is_staged: bool = False
    part: Part | None = None
    earlier: Earlier | None = None

    @property
    def can_resume(self) -> bool:
        """Whether another run can go on where one stopped: not with a stream or a staged video."""
        is_stream = self.source.is_stdin or None in self.outputs.values()
        return not is_stream and not self.is_staged


def plan_videos(options: VideoOptions, note: Callable[[str], None]) -> list[VideoTask]:
    """Find the inputs and name their outputs.

    Args:
        options: of the command.
        note: is told of videos that are no inputs because an earlier run made them.

    Raises:
        UsageError: no inputs, or outputs that make no sense.
    """
    kinds, target = options.pixels.write, options.target
    left_out = LeftOut()
    sources = find_videos(options, target.output or FOLDER, left_out)
    if left_out.count:
        note(str(left_out))
    out = target.output
    if out is None:
        out = "-" if any(source.is_stdin for source in sources) else FOLDER
    root = None if out == "-" or names_a_video(out) else as_path(out)
    wanted = target.format if root is None else format_named(target.name, target.format)
    formats = _formats(out, kinds, wanted)
    if root is None:
        require_one(sources, kinds, out, "video")
        place = None if out == "-" else as_path(out)
        plans: list[dict[str, Path | None]] = [dict.fromkeys(kinds, place) for _ in sources]
    else:
        plans = plan_in_folder(sources, formats, out, target.name)
    _refuse_overwriting(sources, plans, options)
    tasks = [
        VideoTask(source=source, outputs=plan, format="", formats=formats, root=root)
        for source, plan in zip(sources, plans, strict=True)
    ]
    tasks = shard_part(tasks, options.source.shard)
    for task in tasks:
        settle_existing(task, target.existing, _VIDEOS)
    return tasks


def names_a_video(out: str) -> bool:
    """Whether ``-o`` names one video or numbered images, rather than a folder.

    Raises:
        UsageError: it names a file that no video can be written to.
    """
    path = as_path(out)
    if out.endswith("/") or is_folder(path):
        return False
    if path.suffix.lower().removeprefix(".") in CONTAINERS or is_pattern(path):
        return True
    if path.suffix.lower() in (".y4m", ".nut"):
        kind = path.suffix.lower().removeprefix(".")
        raise UsageError(
            f"{kind} is written to standard output alone",
            path=path,
            remedy=f"use -o - --format {kind}, and send that to the file",
        )
    if path.suffix.lower() in EXTENSIONS:
        raise UsageError(
            "a video needs many images",
            path=path,
            remedy=f"name them with a number, such as {path.stem}-%06d{path.suffix}",
        )
    if path.suffix and re.fullmatch(r"\.[A-Za-z][A-Za-z0-9]{1,3}", path.suffix):
        known = ", ".join(f".{name}" for name in CONTAINERS)
        raise UsageError(
            f"videos cannot be written as {path.suffix}",
            path=path,
            remedy=f"choose one of {known}, or end a folder's name with /",
        )
    return False


def _formats(out: str, kinds: Sequence[VideoKind], wanted: str | None) -> dict[str, str]:
    """The container, or image format, of each kind."""
    if out == "-":
        name = wanted or "nut"
        if name not in ("nut", "y4m"):
            raise UsageError(
                f"standard output cannot take .{name}, which is written in no single pass",
                remedy="use --format nut or y4m, or -o FILE",
            )
        return dict.fromkeys(kinds, name)
    if wanted in ("nut", "y4m"):
        raise UsageError(f"--format {wanted} is for standard output", remedy="add -o -")
    if names_a_video(out):
        suffix = Path(out).suffix.lower().removeprefix(".")
        name = (
            suffix
            if suffix in CONTAINERS and not is_pattern(out)
            else EXTENSIONS[f".{suffix}"].name
        )
        if wanted not in (None, name):
            raise UsageError(
                f"--format {wanted} contradicts its name", path=out, remedy="give one of the two"
            )
        return dict.fromkeys(kinds, name)
    return {kind: wanted or ("mp4" if kind == "composite" else "mov") for kind in kinds}


def _refuse_overwriting(
    sources: Sequence[Source],
    plans: Sequence[dict[str, Path | None]],
    options: VideoOptions,
) -> None:
    given = [source.path for source in sources if not source.is_stdin]
    read = [*given, *(as_path(text) for text in options.beside if text)]
    refuse_overwriting(plans, [path for path in read if is_ordinary_file(path)])
    for target in (target for plan in plans for target in plan.values() if target is not None):
        if is_pattern(target) and any(_overlaps(path, target) for path in read):
            raise UsageError(
                "the numbered images would overwrite those that are read",
                path=target,
                remedy="write to another folder",
            )


def _overlaps(read: Path, pattern: Path) -> bool:
    """Whether images that are read bear names that a pattern gives."""
    if not (is_folder(read) or is_pattern(read)):
        return False
    folder = read if is_folder(read) else read.parent
    if os.path.realpath(folder) != os.path.realpath(pattern.parent):
        return False
    pattern = folder / pattern.name  # the way there may lead through a folder that will be made
    with suppress(VideoReadError):
        ours = {path.name for path in list_images(pattern)}
        return any(path.name in ours for path in list_images(read))
    return False


def _is_made(path: Path) -> bool:
    """Whether an output is there, of numbered images all."""
    return are_there(path) if is_pattern(path) else is_there(path)


def _is_sound(path: Path) -> bool:
    """Whether an output that is there is whole; numbered images are not looked into."""
    return is_pattern(path) or is_whole_video(path)


def _first(path: Path) -> Path | None:
    """An output that is there, of numbered images the first; None: nothing is."""
    if not is_pattern(path):
        return path if is_there(path) else None
    with suppress(VideoReadError):
        return next(iter(list_images(path)), None)
    times = timecodes_path(path)
    return times if is_there(times) else None


_VIDEOS = Look(is_made=_is_made, is_sound=_is_sound, first=_first, error=VideoWriteError)
