"""Outputs of a video: what all have in common, and frames to standard output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass

from mattecli.errors import MattecliError, shown_path
from mattecli.media.video.encode import EncoderPlan, FrameEncoder
from mattecli.media.video.piece import Piece
from mattecli.media.video.workfolder import WorkFolder
from mattecli.ops.despill import Screen
from mattecli.records import Array

__all__ = ["MOST_CONTEXT", "CountedOutput", "Output", "Stamp", "StreamOutput"]

MOST_CONTEXT = 4
"""Frames before a piece that have to be seen again, at most."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """A frame's place.

    Attributes:
        index: its number, from 0.
        pts: its time in ticks of the source.
        shot: time of the first frame of its shot.
        screen: the screen behind it whose light is taken off.
    """

    index: int
    pts: int
    shot: int = 0
    screen: Screen | None = None


class Output(ABC):
    """One of the results of a video."""

    def __init__(self) -> None:
        self.seconds = 0.0  # that the encoder took
        self.is_complete = False
        self.notes: list[str] = []

    @abstractmethod
    def write(self, stamp: Stamp, image: Array) -> None:
        """Take the next frame.

        Raises:
            VideoWriteError: it cannot be written.
        """

    @abstractmethod
    def finish(self, end: int | None = None) -> None:
        """There are no more frames: complete the result.

        Args:
            end: ticks of the source at which the result ends, where that is before its end.
        """

    @abstractmethod
    def release(self) -> None:
        """All results are complete: remove what only a later run would need."""

    @property
    def left(self) -> str:
        """Where a later run finds what was completed before this one failed, for people, or ""."""
        return ""

    @abstractmethod
    def stop(self) -> str:
        """Give up in good order; what is left, for people, or ""."""

    @abstractmethod
    def abandon(self) -> None:
        """Give up at once after a failure; what a later run can use stays."""


class CountedOutput(Output):
    """An output that journals every so many frames."""

    def __init__(self, folder: WorkFolder) -> None:
        super().__init__()
        self._folder = folder
        self._stamps: list[Stamp] = []
        before = folder.pieces[-1].context if folder.pieces else ()
        self._recent: deque[tuple[int, int]] = deque(before, maxlen=MOST_CONTEXT)

    def _piece(self, name: str) -> Piece:
        first, last = self._stamps[0], self._stamps[-1]
        return Piece(
            name=name,
            first=first.index,
            frames=len(self._stamps),
            start=first.pts,
            end=last.pts,
            context=tuple(self._recent),
            screen=last.screen,
        )

    def release(self) -> None:
        """Remove the work folder."""
        self._folder.remove()

    @property
    def left(self) -> str:
        """The work folder with its completed pieces."""
        if not self._folder.path.exists():
            return ""
        return f"{self._folder.frames} frames are kept in {shown_path(self._folder.path)}"

    def _note(self, stamp: Stamp) -> None:
        self._stamps.append(stamp)
        self._recent.append((stamp.pts, stamp.shot))


class StreamOutput(Output):
    """Frames to standard output.

    Args:
        plan: with a codec and a muxer that need no seeking.
    """

    def __init__(self, plan: EncoderPlan) -> None:
        super().__init__()
        self._steps: set[int] = set()
        self._before: int | None = None
        self._plan = plan
        self._encoder: FrameEncoder | None = None

    def write(self, stamp: Stamp, image: Array) -> None:
        """Pass a frame on."""
        if self._before is not None:
            self._steps.add(stamp.pts - self._before)
        self._before = stamp.pts
        if self._encoder is None:
            self._encoder = FrameEncoder(self._plan, image, 1)
        self._encoder.put(stamp.pts, image)

    def finish(self, end: int | None = None) -> None:
        """End the stream."""
        # A tick more or less is how a coarse clock writes an even rate.
        if self._plan.muxer == "yuv4mpegpipe" and max(self._steps, default=0) > 1 + min(
            self._steps, default=0
        ):
            self.notes.append("y4m holds no times: the frames' own, which are uneven, are lost")
        if self._encoder is not None:
            self._encoder.finish()
            self.seconds = self._encoder.seconds

    def release(self) -> None:
        """Nothing was kept."""

    def stop(self) -> str:
        """End the stream early."""
        if self._encoder is not None:
            try:
                self._encoder.finish()
            except MattecliError as error:
                return str(error)
        return ""

    def abandon(self) -> None:
        """End the stream at once."""
        if self._encoder is not None:
            self._encoder.abort()
