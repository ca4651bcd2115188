"""A video on standard input: read once, decoded while it comes.

The beginning is kept in an unnamed file until the child has found out what it is; a file whose
index lies at its end (an ordinary ``.mp4``) has to come in whole first. Sound and subtitles are put
aside, so that they can be joined to the result as those of a file can.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from mattecli.errors import VideoReadError
from mattecli.media.video.containers import CONTAINERS
from mattecli.media.video.probe import probe
from mattecli.media.video.process import data_pipe
from mattecli.media.video.records import ClipInfo, OtherStream

__all__ = ["StreamClip"]

_HEADS = (4 << 20, 64 << 20, 512 << 20)
_CHUNK = 1 << 20
_SUBTITLES = CONTAINERS["mkv"].subtitles


class StreamClip:
    """The video that comes in on standard input.

    Args:
        max_pixels: larger frames are refused.
        stream: read instead of the process's standard input.

    Raises:
        VideoReadError: it is no video.
    """

    def __init__(self, *, max_pixels: int, stream: BinaryIO | None = None) -> None:
        self.path = Path("-")
        self._stream = stream or sys.stdin.buffer
        self._head = tempfile.TemporaryFile(prefix="mattecli-")  # noqa: SIM115 - closed by close
        self._aside = tempfile.TemporaryFile(prefix="mattecli-")  # noqa: SIM115 - closed by close
        self._ended = False
        self._pump: threading.Thread | None = None
        try:
            self.info = self._recognised(max_pixels)
        except BaseException:
            self.close()
            raise

    def _recognised(self, max_pixels: int) -> ClipInfo:
        """Read on until what has come is enough to tell what it is."""
        for size in (*_HEADS, None):
            self._read_up_to(size)
            try:
                info = probe(self.reopened_head(), self.path, max_pixels=max_pixels)
            except VideoReadError:
                if self._ended:
                    raise
            else:
                # The header's claims are those of a part: how long it is nobody knows.
                return info if self._ended else _of_a_part(info)
        raise AssertionError("the whole was read and not recognised")

    def _read_up_to(self, size: int | None) -> None:
        end = self._head.seek(0, os.SEEK_END)
        while not self._ended and (size is None or end < size):
            chunk = self._stream.read(_CHUNK)
            self._ended = not chunk
            end += self._head.write(chunk)
        self._head.flush()

    def reopened_head(self) -> int:
        """The kept part, at its beginning."""
        self._head.seek(0)
        return self._head.fileno()

    @property
    def is_whole(self) -> bool:
        """Whether all of it has come in, so that it can be read like a file."""
        return self._ended

    def another(self) -> int:
        """A descriptor that gives all of it once: what was kept, then what still comes."""
        if self._ended:
            return os.open(f"/proc/self/fd/{self._head.fileno()}", os.O_RDONLY | os.O_CLOEXEC)
        reading, writing = data_pipe()
        self._pump = threading.Thread(target=self._pour, args=(writing,), name="stdin", daemon=True)
        self._pump.start()
        return reading

    def _pour(self, writing: int) -> None:
        """Body of the thread: what was kept, then what still comes, into a pipe."""
        try:
            with suppress(
                OSError, ValueError
            ):  # the decoder has had enough, or ``close`` was called
                self._head.seek(0)
                while chunk := self._head.read(_CHUNK):
                    _write_all(writing, chunk)
                while chunk := self._stream.read(_CHUNK):
                    _write_all(writing, chunk)
        finally:  # whatever happened: the decoder waits for the end
            os.close(writing)

    @property
    def aside(self) -> tuple[int, list[OtherStream]] | None:
        """Where ffmpeg shall put sound and subtitles while it decodes, and which."""
        streams = [
            stream
            for stream in self.info.others
            if stream.kind == "audio" or (stream.kind == "subtitle" and stream.codec in _SUBTITLES)
        ]
        return None if self._ended or not streams else (self._aside.fileno(), streams)

    @property
    def joined_info(self) -> ClipInfo:
        """What is known of the file that ``reopened`` gives."""
        if self._ended:
            return self.info
        streams = self.aside[1] if self.aside else []
        return replace(self.info, others=_renumbered(streams), stream=-1)

    def reopened(self) -> int | None:
        """The sound and subtitles, for joining; None where there are none."""
        if self._ended:
            return self.reopened_head()
        return self._aside.fileno() if self.aside else None

    def close(self) -> None:
        """Close what was kept."""
        self._head.close()
        self._aside.close()


def _of_a_part(info: ClipInfo) -> ClipInfo:
    return replace(info, frames=None, seconds=None, is_short=False)


def _renumbered(streams: Sequence[OtherStream]) -> tuple[OtherStream, ...]:
    return tuple(replace(stream, index=number) for number, stream in enumerate(streams))


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
