"""A video as numbered images, with a list of their times."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

from mattecli.errors import VideoWriteError
from mattecli.media.encode import encode_image
from mattecli.media.files import write_atomically
from mattecli.media.video.outputs import CountedOutput, Stamp
from mattecli.media.video.workfolder import WorkFolder
from mattecli.records import Array

__all__ = ["SequenceOutput", "timecodes_path"]

_WRITERS = 2


def timecodes_path(pattern: Path) -> Path:
    """Where the times of numbered images are written, beside them."""
    stem = pattern.name.partition("%")[0].rstrip("-_.")
    return pattern.with_name(f"{stem}-timecodes.txt" if stem else "timecodes.txt")


class SequenceOutput(CountedOutput):
    """Numbered images; each appears whole. At the end a list of their times.

    Args:
        folder: its work folder, for the journal; its target is a path with one ``%d`` or
            ``%0Nd``, and numbers begin at 1.
        format: of the images.
        time_base: of the stamps.
        origin: ticks that are taken off the times.
    """

    def __init__(
        self, folder: WorkFolder, format: str, time_base: Fraction, origin: int = 0
    ) -> None:
        super().__init__(folder)
        self._pattern = folder.target
        self._format = format
        self._time_base = time_base
        self._origin = origin
        self._pool = ThreadPoolExecutor(_WRITERS, thread_name_prefix="image")
        self._pending: deque[Future[None]] = deque()
        self._times = folder.path / "times"

    def write(self, stamp: Stamp, image: Array) -> None:
        """Encode and write a frame in a thread."""
        if self._stamps and stamp.index % self._folder.piece_frames == 0:
            self._complete_piece()
        while len(self._pending) >= 2 * _WRITERS:
            self._pending.popleft().result()
        self._note(stamp)
        self._pending.append(self._pool.submit(self._write, stamp.index, image))

    def _write(self, index: int, image: Array) -> None:
        path = self._pattern.with_name(self._pattern.name % (index + 1))
        write_atomically(path, encode_image(image, self._format))

    def _complete_piece(self) -> None:
        while self._pending:
            self._pending.popleft().result()
        if not self._stamps:
            return
        with self._times.open("a") as stream:
            stream.writelines(f"{stamp.index} {stamp.pts}\n" for stamp in self._stamps)
        self._folder.add(self._piece(""))
        self._stamps = []

    def finish(self) -> None:
        """Wait for the last images and write the list of times (timecode format v2)."""
        self._complete_piece()
        self._pool.shutdown()
        if not self._folder.pieces:
            self._folder.remove()
            raise VideoWriteError("there is no frame to write", path=self._pattern)
        times = dict(_numbers(line) for line in self._times.read_text().splitlines())
        lines = ["# timecode format v2"]
        for index in sorted(times):
            milliseconds = float((times[index] - self._origin) * self._time_base * 1000)
            lines.append(f"{milliseconds:.6f}")
        write_atomically(timecodes_path(self._pattern), ("\n".join(lines) + "\n").encode())
        self._folder.remove()

    def stop(self) -> str:
        """Images that are written stay."""
        frames = self._folder.frames + len(self._stamps)
        self.abandon()
        return f"{self._pattern.parent} holds the first {frames} images"

    def abandon(self) -> None:
        """Stop after what is under way."""
        self._pool.shutdown()
        if self._folder.pieces:
            self._folder.close()
        else:
            self._folder.remove()


def _numbers(line: str) -> tuple[int, int]:
    index, pts = line.split()
    return int(index), int(pts)
