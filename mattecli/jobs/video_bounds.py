"""Bounds on what one video may take: time, frames, room on the disk."""

from __future__ import annotations

import time

from mattecli.engine.memory import parse_size
from mattecli.errors import UsageError, VideoReadError, VideoWriteError
from mattecli.jobs.limits import seconds_allowed, took_too_long
from mattecli.jobs.video_plan import VideoTask
from mattecli.media.disk import free_bytes
from mattecli.settings.video import VideoOptions

__all__ = ["VideoBounds"]

_FRAMES_BETWEEN_LOOKS = 50


class VideoBounds:
    """The bounds that the options set.

    Raises:
        UsageError: one makes no sense.
    """

    def __init__(self, options: VideoOptions) -> None:
        self._seconds = seconds_allowed(options.run)
        self._min_free = parse_size(options.run.min_free, "--min-free")
        self._most = options.clip.max_frames
        if self._most < 1:
            raise UsageError(f"--max-frames {self._most} makes no sense", remedy="try 100000")

    def check_before(self, task: VideoTask, frames: int | None) -> None:
        """Refuse a video before anything is done for it.

        Args:
            task: the video.
            frames: how many it has; None: nobody knows.

        Raises:
            VideoReadError: it has too many frames.
            VideoWriteError: its disk is nearly full.
        """
        self._check_frames(task, frames or 0)
        self._check_room(task)

    def check_frame(self, task: VideoTask, number: int, begin: float) -> None:
        """Refuse to go on with a video beyond the bounds.

        Args:
            task: the video.
            number: of the frame that is to be written, from 1.
            begin: when the video began, by ``time.perf_counter``.

        Raises:
            VideoReadError: it has too many frames.
            VideoWriteError: its disk is nearly full.
            InputError: it takes too long.
        """
        if self._seconds is not None and time.perf_counter() - begin > self._seconds:
            raise took_too_long(task, self._seconds)
        self._check_frames(task, number)
        if number % _FRAMES_BETWEEN_LOOKS == 0:
            self._check_room(task)

    def _check_frames(self, task: VideoTask, frames: int) -> None:
        if frames > self._most:
            raise VideoReadError(
                f"it has more than {self._most:,} frames",
                path=task.source.path,
                remedy="raise --max-frames if that is right",
            )

    def _check_room(self, task: VideoTask) -> None:
        place = task.first_place
        free = None if place is None or not self._min_free else free_bytes(place.parent)
        if free is not None and free < self._min_free:
            raise VideoWriteError(
                "the disk is nearly full (--min-free)",
                path=place,
                remedy="free some space and run again with --resume",
            )
