"""A video file as an output, made in pieces that are joined at the end."""

from __future__ import annotations

import threading
from dataclasses import replace
from fractions import Fraction

from mattecli.errors import MattecliError, VideoWriteError
from mattecli.media.video.encode import EncoderPlan, FrameEncoder
from mattecli.media.video.join import join
from mattecli.media.video.join_plan import JoinPlan
from mattecli.media.video.outputs import CountedOutput, Stamp
from mattecli.media.video.workfolder import WorkFolder
from mattecli.records import Array

__all__ = ["FileOutput", "PartOutput"]


class FileOutput(CountedOutput):
    """A video file, made in pieces that are joined at the end.

    Args:
        folder: its work folder, with the pieces of an earlier run.
        plan: how frames are encoded.
        joining: how pieces are joined.
    """

    def __init__(self, folder: WorkFolder, plan: EncoderPlan, joining: JoinPlan) -> None:
        super().__init__(folder)
        self._plan = plan
        self._joining = joining
        self._encoder: FrameEncoder | None = None
        self._closing: threading.Thread | None = None
        self._error: MattecliError | None = None

    @property
    def _suffix(self) -> str:
        return self._joining.container.segment[1]

    def write(self, stamp: Stamp, image: Array) -> None:
        """Encode a frame; every so many frames a new piece begins."""
        if self._error is not None:
            raise self._error
        if self._encoder is not None and stamp.index % self._folder.piece_frames == 0:
            self._close_piece()
        if self._encoder is None:
            name = f"{stamp.index:09d}.part"
            self._encoder = FrameEncoder(self._plan, image, name, self._folder.path)
        self._note(stamp)
        self._encoder.put(stamp.pts, image)

    def _close_piece(self) -> None:
        """Complete the piece in the background, while the next one begins."""
        self._settle()
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        first = self._stamps[0].index
        piece = self._piece(f"{first:09d}{self._suffix}")
        self._stamps = []

        def close() -> None:
            try:
                encoder.finish()
                part = self._folder.path / f"{first:09d}.part"
                part.replace(self._folder.path / piece.name)
                self._folder.add(piece)
                self.seconds += encoder.seconds
            except MattecliError as error:
                self._error = error
            except OSError as error:
                self._error = VideoWriteError(f"a piece cannot be kept ({error.strerror})")

        self._closing = threading.Thread(target=close, name="close piece", daemon=True)
        self._closing.start()

    def _settle(self) -> None:
        if self._closing is not None:
            self._closing.join()
            self._closing = None
        if self._error is not None:
            raise self._error

    def finish(self, end: int | None = None) -> None:
        """Join the pieces under the output's name."""
        self._close_piece()
        self._settle()
        pieces = [piece.name for piece in self._folder.pieces]
        if not pieces:
            self._folder.remove()
            raise VideoWriteError("there is no frame to write", path=self._folder.target)
        plan = self._joining
        if end is not None:
            plan = replace(plan, end=end * plan.info.time_base)
        join(self._folder.path, pieces, "whole.part", plan)
        self._folder.complete("whole.part")
        self.is_complete = True

    def stop(self) -> str:
        """Leave what is there as a file that plays, beside the pieces for a later run."""
        if self.is_complete:
            self._folder.close()
            return ""
        frames = self._folder.frames + len(self._stamps)
        end = self._stamps[-1].pts if self._stamps else None
        try:
            self._settle()
            pieces = [piece.name for piece in self._folder.pieces]
            if self._encoder is not None:
                self._encoder.finish()
                pieces.append(f"{self._stamps[0].index:09d}.part")
            if not pieces:
                self._folder.remove()
                return ""
            if end is None:
                end = self._folder.pieces[-1].end
            join(self._folder.path, pieces, "stopped.part", self._until(end))
            (self._folder.path / "stopped.part").replace(self._folder.partial)
        except MattecliError as error:
            return f"{len(self._folder.pieces)} pieces are kept for --resume ({error})"
        finally:
            self._folder.close()
        return f"{self._folder.partial} holds the first {frames} frames"

    def abandon(self) -> None:
        """Stop at once; complete pieces stay for a later run."""
        if self._encoder is not None:
            self._encoder.abort()
        if self._closing is not None:
            self._closing.join()
        self._folder.close()

    def _until(self, end: int) -> JoinPlan:
        info = self._joining.info
        after = Fraction(end) * info.time_base + (1 / info.rate if info.rate else 0)
        return replace(self._joining, end=after)


class PartOutput(FileOutput):
    """Pieces of a part of a video, for the run that joins all parts."""

    def finish(self, end: int | None = None) -> None:
        """Complete the pieces."""
        del end  # is for the file that they will be
        self._close_piece()
        self._settle()
        self.is_complete = True

    def release(self) -> None:
        """The pieces stay."""
        self._folder.close()

    def stop(self) -> str:
        """Complete pieces stay for a later run."""
        self.abandon()
        return ""
