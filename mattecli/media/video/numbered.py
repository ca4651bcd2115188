"""A video as numbered images, with a list of their times."""

from __future__ import annotations

from abc import abstractmethod
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import numpy as np

from mattecli.errors import VideoWriteError
from mattecli.media.encode import encode_image
from mattecli.media.files import write_atomically
from mattecli.media.soundness import is_sound_image
from mattecli.media.video.encode import EncoderPlan, FrameEncoder
from mattecli.media.video.outputs import CountedOutput, Stamp
from mattecli.media.video.process import associates_alpha
from mattecli.media.video.sequence import numbered, stem_of
from mattecli.media.video.workfolder import WorkFolder
from mattecli.ops.composite import associated
from mattecli.ops.pixels import to_levels
from mattecli.records import Array

__all__ = ["ExrOutput", "ImageOutput", "are_there", "timecodes_path"]

_WRITERS = 2
_TITLE = "# timecode format v2"
_SLACK = 2.0  # seconds: file systems' times are coarse


def timecodes_path(pattern: Path) -> Path:
    """Where the times of numbered images are written, beside them."""
    stem = stem_of(pattern)
    return pattern.with_name(f"{stem}-timecodes.txt" if stem else "timecodes.txt")


def are_there(pattern: Path) -> bool:
    """Whether numbered images are complete: their times are listed, and none is missing."""
    count = _listed(timecodes_path(pattern))
    frames = (numbered(pattern, n + 1) for n in range(count))
    return count > 0 and all(path.exists() and is_sound_image(path) for path in frames)


def _listed(times: Path) -> int:
    """How many frames a list of times has; 0 where there is none."""
    try:
        lines = times.read_bytes().decode("utf-8", "replace").splitlines()
    except OSError:
        return 0
    return sum(bool(line) and not line.startswith("#") for line in lines)


def _require_own_list(times: Path) -> None:
    """Refuse to write a list of times over another file.

    Raises:
        VideoWriteError: there is one of its name.
    """
    with suppress(FileNotFoundError), times.open("rb") as stream:
        if stream.read(len(_TITLE)) != _TITLE.encode():
            raise VideoWriteError(
                "it is no list of times, which would take its place",
                path=times,
                remedy="move it, or write to another folder",
            )


class _NumberedOutput(CountedOutput):
    """Numbered images; each appears whole. At the end a list of their times.

    Args:
        folder: its work folder, for the journal; its target is a path with one ``%d`` or
            ``%0Nd``, and numbers begin at 1.
        plan: the source's time base, and what is taken off its times.
    """

    def __init__(self, folder: WorkFolder, plan: EncoderPlan) -> None:
        _require_own_list(timecodes_path(folder.target))
        super().__init__(folder)
        self._plan = plan
        self._pattern = folder.target
        self._times = folder.path / "times"
        self._earlier = folder.path / "earlier"

    def write(self, stamp: Stamp, image: Array) -> None:
        """Take a frame; every so many are journalled."""
        if stamp.index == 0:
            self._set_aside()
        if self._stamps and stamp.index % self._folder.piece_frames == 0:
            self._complete_piece()
        self._note(stamp)
        self._put(stamp, image)

    @abstractmethod
    def _put(self, stamp: Stamp, image: Array) -> None:
        """Begin to write one image."""

    @abstractmethod
    def _settle(self) -> None:
        """Wait until all images that were begun are under their names."""

    def _place(self, index: int) -> Path:
        return numbered(self._pattern, index + 1)

    def _set_aside(self) -> None:
        """While images are overwritten, no list of times says that they are complete."""
        with suppress(FileNotFoundError):
            timecodes_path(self._pattern).replace(self._earlier)

    def _complete_piece(self) -> None:
        self._settle()
        if not self._stamps:
            return
        with self._times.open("a") as stream:
            stream.writelines(f"{stamp.index} {stamp.pts}\n" for stamp in self._stamps)
        self._folder.add(self._piece(""))
        self._stamps = []

    def finish(self, end: int | None = None) -> None:
        """Wait for the last images and write the list of times (timecode format v2)."""
        self._complete_piece()
        if not self._folder.pieces:
            self._folder.remove()
            raise VideoWriteError("there is no frame to write", path=self._pattern)
        times = dict(_numbers(line) for line in self._times.read_text().splitlines())
        lines = [_TITLE]
        for index in sorted(times):
            ticks = times[index] - self._plan.origin
            lines.append(f"{float(ticks * self._plan.info.time_base * 1000):.6f}")
        _require_own_list(timecodes_path(self._pattern))
        self._remove_longer(len(times))
        text = "\n".join(lines) + "\n"
        write_atomically(timecodes_path(self._pattern), text.encode(), through_link=False)
        self.is_complete = True

    def _remove_longer(self, count: int) -> None:
        """Images of an earlier, longer run that the new ones do not replace.

        Only what a list of times vouches for is removed, unless it was changed since; other images
        are named.
        """
        over = [numbered(self._pattern, n + 1) for n in range(count, _listed(self._earlier))]
        if over and all(path.exists() for path in over):
            made = self._earlier.stat().st_mtime + _SLACK
            own = [path for path in over if path.stat().st_mtime <= made]
            for path in own:
                path.unlink()
            if own:
                self.notes.append(f"{len(own)} more images of an earlier run were removed")
            for changed in [path for path in over if path not in own][:1]:
                self.notes.append(f"{changed.name} is newer than the run that made it, and stays")
        after = numbered(self._pattern, count + 1)
        if after.exists():
            self.notes.append(f"{after.name} and what follows it are none of this run's images")

    def stop(self) -> str:
        """Images that are written stay."""
        if self.is_complete:
            self._folder.close()
            return ""
        self._settle()
        frames = self._folder.frames + len(self._stamps)
        self._leave()
        return f"{self._pattern.parent} holds the first {frames} images"

    def abandon(self) -> None:
        """Leave what is complete for a later run."""
        self._leave()

    def _leave(self) -> None:
        times = timecodes_path(self._pattern)
        if not self._folder.pieces and self._earlier.exists() and not times.exists():
            self._earlier.replace(times)
        self._folder.close()


class ImageOutput(_NumberedOutput):
    """PNG or TIFF files, encoded in threads.

    Args:
        folder, plan: as above.
        format: of the images.
        is_associated: the colours that come are multiplied with alpha.
    """

    def __init__(
        self, folder: WorkFolder, plan: EncoderPlan, format: str, *, is_associated: bool = False
    ) -> None:
        super().__init__(folder, plan)
        self._format = format
        self._is_associated = is_associated
        self._pool = ThreadPoolExecutor(_WRITERS, thread_name_prefix="image")
        self._pending: deque[Future[None]] = deque()

    def _put(self, stamp: Stamp, image: Array) -> None:
        while len(self._pending) >= 2 * _WRITERS:
            self._pending.popleft().result()
        self._pending.append(self._pool.submit(self._write, stamp.index, image))

    def _write(self, index: int, image: Array) -> None:
        data = encode_image(image, self._format, is_associated=self._is_associated)
        write_atomically(self._place(index), data, through_link=False)

    def _settle(self) -> None:
        while self._pending:
            self._pending.popleft().result()

    def _leave(self) -> None:
        self._pool.shutdown()
        super()._leave()


class ExrOutput(_NumberedOutput):
    """OpenEXR files of half floats, by ffmpeg: values as the video has them, alpha associated.

    Args:
        folder, plan: as above.
    """

    def __init__(self, folder: WorkFolder, plan: EncoderPlan) -> None:
        super().__init__(folder, plan)
        self._encoder: FrameEncoder | None = None
        self._first = 0

    def _put(self, stamp: Stamp, image: Array) -> None:
        image = _as_exr(image)
        if self._encoder is None:
            self._first = stamp.index
            self._encoder = FrameEncoder(self._plan, image, "part-%09d.exr", self._folder.path)
        self._encoder.put(stamp.pts, image)

    def _settle(self) -> None:
        encoder, self._encoder = self._encoder, None
        if encoder is None:
            return
        encoder.finish()
        self.seconds += encoder.seconds
        for number in range(encoder.frames):
            part = self._folder.path / f"part-{number + 1:09d}.exr"
            part.replace(self._place(self._first + number))

    def abandon(self) -> None:
        """Stop at once; images of complete pieces stay."""
        if self._encoder is not None:
            self._encoder.abort()
        super().abandon()


def _as_exr(image: Array) -> Array:
    """Colours multiplied with alpha, as OpenEXR wants them, unless ffmpeg does that itself.

    In 16 bits: of 8, ffmpeg makes floats whose white is 0.992.
    """
    levels = to_levels(image, np.uint16)
    if image.ndim == 2 or image.shape[2] == 3 or associates_alpha():
        return levels
    return associated(levels)


def _numbers(line: str) -> tuple[int, int]:
    index, pts = line.split()
    return int(index), int(pts)
