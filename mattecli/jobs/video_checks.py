"""Wrong usage of ``mattecli video``, found before a model is loaded or a video opened."""

from __future__ import annotations

from collections.abc import Sequence

from mattecli.errors import UsageError
from mattecli.jobs.fills import parse_fill
from mattecli.jobs.finishing import Finisher
from mattecli.jobs.video_bounds import VideoBounds
from mattecli.jobs.video_codecs import check_kinds
from mattecli.jobs.video_plan import VideoTask
from mattecli.jobs.video_span import check_span
from mattecli.jobs.video_steps import as_matte_options
from mattecli.media.paths import is_there
from mattecli.media.stores.place import as_path, is_stored
from mattecli.media.video.sequence import is_pattern
from mattecli.settings.video import VideoOptions

__all__ = ["check_options", "check_tasks"]


def check_options(options: VideoOptions) -> None:
    """Refuse numbers and times that make no sense, and companions that are not there.

    Raises:
        UsageError: there are such.
    """
    clip = options.clip
    VideoBounds(options)
    if not 1 <= clip.piece_frames <= 100_000:
        raise UsageError(f"--piece-frames {clip.piece_frames} makes no sense", remedy="try 250")
    if not clip.stall_timeout > 0:
        raise UsageError("--stall-timeout must be positive", remedy="try 60")
    if options.target.crf is not None and not 0 <= options.target.crf <= 63:
        raise UsageError(f"--crf {options.target.crf} makes no sense", remedy="give 0 to 63")
    check_span(clip)
    Finisher(as_matte_options(options).finish, needs_colours=True)  # which refuses its own
    _check_companions(options)


def _check_companions(options: VideoOptions) -> None:
    """Refuse trimaps, plates, masks and backgrounds that are not there."""
    model, fill = options.model, options.pixels.fill
    given = {
        "background": model.background,
        "segmentation": model.segmentation,
        "mask": model.mask,
    }
    if model.trimap != "auto":
        given["trimap"] = model.trimap
    for role, text in given.items():
        path = None if text is None else as_path(text)
        if path is None or is_stored(path):
            continue
        if not (is_there(path) or is_pattern(path)):
            raise UsageError(f"there is no such {role}", path=path, remedy="check the name")
    place = as_path(fill)
    if fill != "blur" and not (is_stored(place) or is_there(place) or is_pattern(place)):
        parse_fill(fill)  # a colour, then


def check_tasks(tasks: Sequence[VideoTask], options: VideoOptions) -> None:
    """Refuse outputs that cannot be written, or with ``--resume`` not gone on with.

    Raises:
        UsageError: there are such.
    """
    for task in tasks:
        check_kinds(task.formats, options)
        if not options.target.resume:
            continue
        if None in task.outputs.values():
            raise UsageError("--resume is not for standard output", remedy="give -o FILE")
        if task.source.is_stdin:
            raise UsageError(
                "--resume is not for standard input, which cannot be told from another time's",
                remedy="save it to a file and give that",
            )
