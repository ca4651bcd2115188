"""What stands behind the composite of a video: a colour, a picture, a blur, or another video."""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from pathlib import Path

from mattecli.errors import VideoReadError
from mattecli.jobs.fills import Fill, PictureFill, parse_fill
from mattecli.jobs.video_sources import Footage, is_moving
from mattecli.media.paths import is_there
from mattecli.media.stores.place import as_path
from mattecli.media.video.records import ClipInfo, Frame, Span
from mattecli.ops.composite import fit_background
from mattecli.ops.pixels import to_levels
from mattecli.ops.segmentation import resized
from mattecli.records import Array, Size
from mattecli.settings.video import BackgroundEnd, VideoOptions

__all__ = ["Backdrop", "MovingBackdrop", "StillBackdrop", "open_backdrop"]


class Backdrop(ABC):
    """Gives each frame its background."""

    @abstractmethod
    def at(self, seconds: Fraction) -> Fill | None:
        """The background at a time of the result; None: it is over, and so is the result."""

    @abstractmethod
    def close(self) -> None:
        """Stop reading."""


class StillBackdrop(Backdrop):
    """One for all frames.

    Args:
        fill: the background.
        info: of the clip, so that a picture is fitted once.
    """

    def __init__(self, fill: Fill, info: ClipInfo) -> None:
        if isinstance(fill, PictureFill):
            image = _reshaped(fill.image, 1 / info.aspect)
            fitted = fit_background(image, info.size, fill.fit)
            kind = fill.image.dtype if fill.image.dtype.kind == "u" else "uint16"
            fill = PictureFill(to_levels(fitted, kind), "stretch")
        self._fill = fill

    def at(self, seconds: Fraction) -> Fill | None:
        """The same at all times."""
        return self._fill

    def close(self) -> None:
        """Nothing is being read."""


class MovingBackdrop(Backdrop):
    """A video, by its own clock: each frame shows until the next one's time.

    Args:
        path: the video, folder or pattern.
        aspect: sample aspect ratio of the clip before it.
        options: of the command.

    Raises:
        VideoReadError: it cannot be read.
    """

    def __init__(self, path: Path, aspect: Fraction, options: VideoOptions) -> None:
        self._footage = Footage.at(path, options)
        self._stretch = self._footage.info.aspect / aspect
        self._fit = options.pixels.fit
        self._end: BackgroundEnd = options.pixels.background_end
        self._loop_start = Fraction(0)
        self._begin()

    def _begin(self) -> None:
        self._frames = iter(self._footage.reader(Span()))
        self._shown = next(self._frames, None)
        self._next = next(self._frames, None)
        if self._shown is None:
            raise VideoReadError("it has no frames", path=self._footage.path)
        self._first = self._shown.pts
        self._step = (
            Fraction(1, 25) if self._footage.info.rate is None else 1 / self._footage.info.rate
        )

    def _time(self, frame: Frame) -> Fraction:
        return (frame.pts - self._first) * self._footage.info.time_base

    def at(self, seconds: Fraction) -> Fill | None:
        """The frame that shows at a time; times must not go back."""
        wanted = seconds - self._loop_start
        while self._next is not None and self._time(self._next) <= wanted:
            if self._shown is not None:
                self._step = self._time(self._next) - self._time(self._shown)
            self._shown, self._next = self._next, next(self._frames, None)
        if self._next is None and self._shown is not None:
            over = self._time(self._shown) + self._step
            if wanted >= over and self._end == "trim":
                return None
            if wanted >= over and self._end == "loop":
                self._restart(over, turns=int(wanted / over))
                return self.at(seconds)
        if self._shown is None:
            raise AssertionError("a backdrop without a frame")
        return PictureFill(_reshaped(self._shown.color, self._stretch), self._fit)

    def _restart(self, over: Fraction, turns: int) -> None:
        start = self._loop_start + turns * over
        self.close_reader()
        self._begin()
        self._loop_start = start

    def close_reader(self) -> None:
        """Stop the decoder."""
        self._frames.close()

    def close(self) -> None:
        """Stop reading."""
        self.close_reader()
        self._footage.close()


def _reshaped(image: Array, stretch: Fraction) -> Array:
    """A picture stretched sideways, for clips whose pixels are not square."""
    if stretch == 1:
        return image
    height, width = image.shape[:2]
    return resized(image, Size(max(1, round(width * stretch)), height))


def open_backdrop(options: VideoOptions, info: ClipInfo) -> Backdrop:
    """The background that the options name.

    Raises:
        UsageError: it is neither colour nor file.
        VideoReadError: the video cannot be read.
    """
    text = options.pixels.fill
    path = as_path(text)
    if text != "blur" and is_there(path) and is_moving(path):
        return MovingBackdrop(path, info.aspect, options)
    return StillBackdrop(parse_fill(text, options.pixels.fit, options.source.max_pixels), info)
