"""Videos in object stores: fetched to a folder here, worked on, and put back when whole.

ffmpeg reads and writes files that it can seek in, which objects are not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mattecli.errors import MattecliError, UsageError, VideoReadError, VideoWriteError
from mattecli.jobs.video_plan import VideoTask
from mattecli.media.causes import read_words, write_words
from mattecli.media.stores.path import StorePath
from mattecli.media.stores.place import as_path, is_stored
from mattecli.media.video.sequence import is_pattern
from mattecli.records import ItemRecord
from mattecli.settings.video import VideoOptions

__all__ = ["by_way_of_here", "refuse_unstorable"]

_DISK_IS_FULL = "the disk is "  # full, or nearly


def refuse_unstorable(tasks: Sequence[VideoTask], options: VideoOptions) -> None:
    """Refuse what videos cannot do with a store, before the night's work.

    Raises:
        UsageError: numbered images in a store, companions there, or a run to be gone on with.
    """
    for text in options.beside:
        if text and is_stored(as_path(text)):
            raise UsageError(
                "only videos and their results may lie in a store",
                path=text,
                remedy="copy it to a folder here",
            )
    places = [path for task in tasks for path in (task.source.path, *task.outputs.values())]
    stored = [path for path in places if isinstance(path, StorePath)]
    if stored and options.target.resume:
        raise UsageError("--resume is for files here", path=stored[0], remedy="leave it out")
    for path in stored:
        if is_pattern(path) or path.suffix == "":
            raise UsageError(
                "numbered images are read from and written to folders here alone",
                path=path,
                remedy="copy them, or use one video",
            )


def by_way_of_here(do: Callable[[VideoTask], ItemRecord]) -> Callable[[VideoTask], ItemRecord]:
    """The same work on one video, wherever it and its results lie."""

    def fetched(task: VideoTask) -> ItemRecord:
        places = (task.source.path, *task.outputs.values())
        if not any(is_stored(path) for path in places):
            return do(task)
        with TemporaryDirectory(prefix="mattecli-") as folder:
            return _staged(do, task, Path(folder))

    return fetched


def _staged(do: Callable[[VideoTask], ItemRecord], task: VideoTask, folder: Path) -> ItemRecord:
    here = replace(
        task,
        source=replace(task.source, path=_fetched(task.source.path, folder)),
        outputs={
            kind: folder / kind / path.name if isinstance(path, StorePath) else path
            for kind, path in task.outputs.items()
        },
        is_staged=True,
        root=None,
    )
    try:
        record = do(here)
    except MattecliError as error:
        _rename(error, here, task, folder)
        raise
    finally:
        task.size, task.thumbs = here.size, here.thumbs
    for kind, path in task.outputs.items():
        file = here.outputs[kind]
        if isinstance(path, StorePath) and file is not None and file.exists():
            _put(path, file)
    said = None if record.error is None else _named(record.error, here, task)
    whole = replace(task.record(record.status), seconds=record.seconds, trouble=record.trouble)
    return replace(whole, error=said, size=record.size)


def _rename(error: MattecliError, here: VideoTask, task: VideoTask, folder: Path) -> None:
    """Have an error speak of what the user named, not of a copy in a folder that goes away."""
    if error.path == here.source.path:
        error.path = task.source.path
        return
    if not isinstance(error, VideoWriteError):
        return
    kinds = [kind for kind, path in here.outputs.items() if path == error.path]
    if kinds:
        error.path = task.outputs[kinds[0]]
    if _DISK_IS_FULL in error.cause and isinstance(task.first_place, StorePath):
        error.path = error.path or task.first_place
        error.cause += f" (in the folder for temporary files, {folder.parent})"
        error.remedy = "set TMPDIR to a folder with room, and run it again"


def _named(text: str, here: VideoTask, task: VideoTask) -> str:
    return text.replace(here.shown, task.shown)


def _fetched(path: Path, folder: Path) -> Path:
    if not isinstance(path, StorePath):
        return path
    target = folder / path.name
    try:
        path.service.download(path.key, target)
    except OSError as error:
        cause, remedy = read_words(error)
        raise VideoReadError(cause, path=path, remedy=remedy) from error
    return target


def _put(path: StorePath, file: Path) -> None:
    try:
        path.service.upload(path.key, file)
    except OSError as error:
        cause, remedy = write_words(error)
        raise VideoWriteError(cause, path=path, remedy=remedy) from error
