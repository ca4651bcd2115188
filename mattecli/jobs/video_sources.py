"""Opens what a video job reads: clips, numbered images, and pictures that stand for all frames."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, TypeAlias

from mattecli.errors import ImageReadError, PairingError, UsageError, VideoReadError
from mattecli.media.formats import EXTENSIONS, VIDEO_SUFFIXES
from mattecli.media.images import probe, read_levels, read_picture
from mattecli.media.paths import is_folder, is_there
from mattecli.media.sources import Source
from mattecli.media.stores.place import as_path
from mattecli.media.video.clip import Clip
from mattecli.media.video.decode import ClipReader
from mattecli.media.video.packets import count_before, pts_of_frame, pts_of_frames
from mattecli.media.video.records import ClipInfo, Span
from mattecli.media.video.sequence import SequenceReader, is_pattern
from mattecli.media.video.stream import StreamClip
from mattecli.ops.pixels import to_levels
from mattecli.records import Array
from mattecli.settings.video import VideoOptions

__all__ = ["Footage", "Reader", "Track", "companion_path", "is_moving"]

Reader: TypeAlias = ClipReader | SequenceReader

_DEFAULT_RATE = Fraction(25)
_ANIMATED = (".gif", ".webp", ".avif", ".png")  # may be pictures or videos


def is_moving(path: Path) -> bool:
    """Whether a file has frames of its own: a video, a folder or a pattern of images."""
    suffix = path.suffix.lower()
    if is_folder(path) or (is_pattern(path) and not is_there(path)):
        return True
    return _is_animated(path) if suffix in _ANIMATED else suffix in VIDEO_SUFFIXES


def _is_animated(path: Path) -> bool:
    return (_pictures_in(path) or 1) > 1


def _is_image(path: Path) -> bool:
    """Whether it is surely one picture, as most WebP and PNG files are."""
    suffix = path.suffix.lower()
    if suffix in (".webp", ".png"):
        return _pictures_in(path) == 1
    return suffix in EXTENSIONS and suffix not in _ANIMATED


def _pictures_in(path: Path) -> int | None:
    """How many pictures an image file holds; None where it is damaged, or cannot be read."""
    with suppress(ImageReadError, OSError):
        return probe(path).frames
    return None


def parse_rate(text: str | None) -> Fraction:
    """``--fps`` as a number.

    Raises:
        UsageError: it is none.
    """
    if text is None:
        return _DEFAULT_RATE
    try:
        rate = Fraction(text)
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= 1000:
        raise UsageError(f"--fps {text!r} is no rate", remedy="try 25 or 24000/1001")
    return rate


@dataclass(slots=True)
class Footage:
    """An open source of frames.

    Attributes:
        path: what it was opened by: a file, a folder or a pattern.
        clip: the open file, or None for images.
        info: what is known of it.
        options: of the command.
        beside: of companion images: the clip's own images, whose numbers they follow.
    """

    path: Path
    clip: Clip | StreamClip | None
    info: ClipInfo
    options: VideoOptions
    beside: Path | None = None

    @classmethod
    def open(cls, source: Source, options: VideoOptions) -> Footage:
        """Open an input; close it when done.

        Raises:
            VideoReadError: it cannot be read, or is no video.
        """
        if source.error is not None:
            raise source.error
        limit = options.source.max_pixels
        if source.is_stdin:
            stream = StreamClip(max_pixels=limit)
            return cls(Path("-"), stream, stream.info, options)
        return cls.at(source.path, options)

    @classmethod
    def at(cls, path: Path, options: VideoOptions, beside: Path | None = None) -> Footage:
        """Open a file, a folder of images or a pattern; ``beside``: see the attribute."""
        limit = options.source.max_pixels
        if is_folder(path) or is_pattern(path):
            rate = parse_rate(options.clip.fps)
            images = SequenceReader(path, rate, beside=beside, max_pixels=limit)
            return cls(path, None, images.info, options, beside)
        if _is_image(path):
            raise VideoReadError(
                "it is an image, not a video",
                path=path,
                remedy="use 'mattecli matte', or a folder or pattern such as img_%04d.png",
            )
        clip = Clip(path, max_pixels=limit)
        return cls(path, clip, clip.info, options)

    def reader(self, span: Span, *, form: Literal["rgb", "grey"] = "rgb") -> Reader:
        """The frames of a part of it."""
        if self.clip is None:
            rate = parse_rate(self.options.clip.fps)
            limit = self.options.source.max_pixels
            return SequenceReader(
                self.path, rate, span, form=form, beside=self.beside, max_pixels=limit
            )
        return ClipReader(self.clip, span, form=form, patience=self.options.clip.stall_timeout)

    def pts_of(self, number: int) -> int | None:
        """The timestamp of the n-th frame; None beyond the end."""
        if self.clip is None:
            return number if number < (self.info.frames or 0) else None
        if isinstance(self.clip, StreamClip):
            raise UsageError(
                "frames of standard input cannot be counted ahead", remedy="give times instead"
            )
        return pts_of_frame(self.clip, number)

    def times(self, first: int, end: int) -> list[int]:
        """The timestamps of some frames of a file; as many as there are."""
        if not isinstance(self.clip, Clip):
            raise AssertionError("only files are made in parts")
        return pts_of_frames(self.clip, first, end)

    def frames_before(self, pts: int) -> int:
        """How many frames come before a time."""
        if self.clip is None:
            return pts
        if isinstance(self.clip, StreamClip):
            raise UsageError(
                "--start with one trimap, plate or mask a frame is not for standard input",
                remedy="give files",
            )
        return count_before(self.clip, pts)

    def frame_at(self, pts: int) -> Array:
        """The pixels of the first frame from a time on.

        Raises:
            VideoReadError: there is none.
        """
        frames = iter(self.reader(Span(start=pts)))
        frame = next(frames, None)
        frames.close()
        if frame is None:
            raise VideoReadError("a frame of it has vanished", path=self.path)
        return frame.color

    def close(self) -> None:
        """Let the file go."""
        if self.clip is not None:
            self.clip.close()


class Track:
    """One picture for each frame of a clip: trimaps, plates, segmentations.

    A picture stands for all frames. A video or images go frame by frame; images beside images by
    their numbers, where there is one for each.

    Args:
        path: picture, video, folder or pattern.
        role: for messages.
        form: RGB, or grey levels.
        skip: frames to leave out at the beginning.
        clip: whose frames they are for.
    """

    def __init__(
        self,
        path: Path,
        role: str,
        form: Literal["rgb", "grey"],
        skip: int,
        clip: Footage,
    ) -> None:
        options = clip.options
        self.path = path
        self.role = role
        self.is_still = not is_moving(path)
        self.has_ended = False
        self._count = skip
        self._last: Array | None = None
        self._footage: Footage | None = None
        limit = options.source.max_pixels
        if self.is_still:
            self._last = (
                to_levels(read_levels(path, max_pixels=limit))
                if form == "grey"
                else read_picture(path, max_pixels=limit).color
            )
            return
        self._footage = Footage.at(path, options, clip.path if clip.clip is None else None)
        start = self._footage.pts_of(skip) if skip else None
        is_over = skip > 0 and start is None
        span = Span(end=0) if is_over else Span(start=start)
        self._frames = iter(self._footage.reader(span, form=form))

    def next(self, *, holds: bool) -> Array:
        """The picture for the next frame.

        Args:
            holds: after its end the last one goes on; else that is an error.

        Raises:
            PairingError: it has no more frames.
        """
        if not self.is_still:
            frame = next(self._frames, None)
            if frame is not None:
                self._last = frame.color
            elif not holds or self._last is None:
                raise PairingError(
                    f"the {self.role} has only {self._count} frames",
                    path=self.path,
                    remedy="give one for each frame of the video, or one picture for all",
                )
            else:
                self.has_ended = True
            self._count += 1
        if self._last is None:
            raise AssertionError("a track without pictures")
        return self._last

    def close(self) -> None:
        """Stop reading."""
        if self._footage is not None:
            self._frames.close()
            self._footage.close()


def companion_path(source: Source, given: str, role: str) -> Path:
    """The file, folder or pattern that belongs to an input.

    A folder may hold something called like the input (``clip-trimap.mov``, ``clip_trimap/``,
    ``clip.png``); else it is taken for the frames themselves.

    Raises:
        UsageError: it is not there.
    """
    path = as_path(given)
    if is_pattern(path) and not is_there(path):
        return path
    if not is_there(path):
        raise UsageError(f"there is no such {role}", path=path, remedy="check the name")
    if not is_folder(path):
        return path
    stem = Path(source.name).stem
    names = (f"{stem}-{role}", f"{stem}_{role}", stem)
    entries: Sequence[Path] = sorted(path.iterdir())
    for name in names:
        fitting = [
            entry for entry in entries if (entry.name if entry.is_dir() else entry.stem) == name
        ]
        if len(fitting) == 1:
            return fitting[0]
    if any(entry.suffix.lower() in VIDEO_SUFFIXES for entry in entries):
        raise PairingError(
            f"there is no {role} for it in {path}",
            path=source.path,
            remedy=f"add {stem}-{role} with its suffix",
        )
    return path
