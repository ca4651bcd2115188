"""Frames of a video file, one after the other, exact in time."""

from __future__ import annotations

import heapq
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import av
import numpy as np

from mattecli.errors import VideoReadError
from mattecli.media.video.colours import to_grey, to_rgb
from mattecli.media.video.probe import child_command, child_environment, probe
from mattecli.media.video.process import FORMATS, Ffmpeg, data_pipe
from mattecli.media.video.records import ClipInfo, Frame, Span
from mattecli.media.video.stream import StreamClip
from mattecli.records import Array

__all__ = ["Clip", "ClipReader", "Damage", "PacketTimes", "count_before", "pts_of_frame"]

_SEEK_MARGIN = 1.0  # seconds before the wanted frame that decoding begins
_TURNS = {90: "transpose=1", 180: "hflip,vflip", 270: "transpose=2"}
_SETTLE = 0.1  # seconds that ffmpeg's words may lag behind its pictures


class Clip:
    """An open video file; what is done with it goes on if its name vanishes meanwhile.

    Args:
        path: the file.
        max_pixels: larger frames are refused.

    Raises:
        VideoReadError: it is missing, unreadable, no video.
    """

    def __init__(self, path: Path, *, max_pixels: int) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise VideoReadError(
                f"it cannot be opened ({reason})", path=path, remedy="check the name"
            ) from error
        try:
            self.info = probe(self.reopened(), path, max_pixels=max_pixels)
        except BaseException:
            self.close()
            raise

    def reopened(self) -> int:
        """The descriptor, at the file's beginning, for a child that reads it next."""
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        return self._descriptor

    def another(self) -> int:
        """A descriptor of its own, so that two children can read at once; close it."""
        with suppress(OSError):
            return os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)
        return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)

    @property
    def joined_info(self) -> ClipInfo:
        """What is known of the file that ``reopened`` gives."""
        return self.info

    def close(self) -> None:
        """Let the file go."""
        os.close(self._descriptor)

    def __enter__(self) -> Clip:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class PacketTimes:
    """The timestamps that a file's packets promise, read by the child while ffmpeg decodes.

    Args:
        descriptor: the open file; belongs to this object from now on.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._child = subprocess.Popen(
            child_command("index", descriptor),
            pass_fds=[descriptor],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self._pending: list[int] = []
        self._ended = False
        self.packets = 0

    def before(self, pts: int | None) -> list[int]:
        """Promised times below ``pts`` that have not been asked for yet (None: all the rest)."""
        self._read_up_to(pts)
        times = []
        while self._pending and (pts is None or self._pending[0] < pts):
            times.append(heapq.heappop(self._pending))
        while self._pending and self._pending[0] == pts:
            heapq.heappop(self._pending)
        return times

    def _read_up_to(self, pts: int | None) -> None:
        """Decoding times only grow, and no frame is shown before it is decoded."""
        stream = self._child.stdout
        while not self._ended and stream is not None:
            line = stream.readline()
            if not line or line.startswith("end"):
                self._ended = True
                self.packets = int(line.split()[1]) if line else 0
                return
            shown, decoded = (int(word) for word in line.split())
            heapq.heappush(self._pending, shown)
            if pts is not None and decoded >= pts:
                return

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()
        os.close(self._descriptor)


def pts_of_frame(clip: Clip, number: int) -> int | None:
    """The timestamp of a clip's n-th frame in ticks, by its packets; None beyond its end."""
    packets = PacketTimes(clip.another())
    try:
        times = sorted(packets.before(None))
    finally:
        packets.close()
    return times[number] if number < len(times) else None


def count_before(clip: Clip, pts: int) -> int:
    """How many frames come before a time, by the packets."""
    packets = PacketTimes(clip.another())
    try:
        return len(packets.before(pts))
    finally:
        packets.close()


@dataclass(slots=True)
class Damage:
    """What was wrong with a clip.

    Attributes:
        repeated: frames that could not be decoded.
        errors: complaints of the decoder.
        is_cut_off: the file ends before it should.
    """

    repeated: int = 0
    errors: int = 0
    is_cut_off: bool = False
    words: str = ""


class ClipReader:
    """Decodes a clip in ffmpeg.

    Args:
        clip: an open file.
        span: what is wanted of it.
        form: RGB, or grey levels.
        patience: seconds without a frame after which the decoder is given up.
        seeks: whether what lies before the span may be skipped by the container's index.
    """

    def __init__(
        self,
        clip: Clip | StreamClip,
        span: Span = Span(),  # noqa: B008 - it cannot be changed
        *,
        form: Literal["rgb", "grey"] = "rgb",
        patience: float = 60.0,
        seeks: bool = True,
    ) -> None:
        self.info: ClipInfo = clip.info
        self.damage = Damage()
        self.seconds = 0.0
        self._clip = clip
        self._span = span
        self._form = form
        self._patience = patience
        self._is_live = isinstance(clip, StreamClip) and not clip.is_whole
        self._seeks = seeks and not self._is_live
        self._is_deep = self.info.depth > 8 and form == "rgb"
        self._last: Frame | None = None

    def __iter__(self) -> Iterator[Frame]:
        source = self._clip.another()
        promised = None if self._is_live else PacketTimes(self._clip.another())
        aside = self._clip.aside if isinstance(self._clip, StreamClip) else None
        reading, writing = data_pipe()
        try:
            process = Ffmpeg(
                "decoder",
                self._arguments(source, writing),
                files=[source, writing, *([aside[0]] if aside else [])],
                patience=self._patience,
            )
        finally:
            os.close(writing)
            os.close(source)
        try:
            yield from self._frames(process, reading, promised)
            self._end(process, promised)
        finally:
            process.kill()
            os.close(reading)
            if promised is not None:
                promised.close()

    def _arguments(self, source: int, writing: int) -> list[str]:
        info, start = self.info, self._span.start
        convert = to_grey(info) if self._form == "grey" else to_rgb(info, deep=self._is_deep)
        # Turned as RGB: the chroma samples of a turned picture would lie elsewhere.
        turn = [] if info.is_flipped else ["-noautorotate"]
        if turn and info.rotation in _TURNS:
            convert = f"{convert},{_TURNS[info.rotation]}"
        seek: list[str] = []
        if start is not None and self._seeks:
            begin = start * info.time_base - Fraction(_SEEK_MARGIN)
            if begin > 0:
                seek = ["-seek_timestamp", "1", "-ss", f"{float(begin):.6f}"]
        whitelists = ["-protocol_whitelist", "fd,pipe", "-format_whitelist", FORMATS]
        return [
            *("-copyts", *turn, *seek, *whitelists, "-fd", str(source), "-i", "fd:"),
            *("-map", f"0:{info.stream}", "-vf", convert),
            *("-fps_mode", "passthrough", "-enc_time_base", str(info.time_base)),
            *("-c:v", "rawvideo", "-f", "nut", f"pipe:{writing}"),
            *self._set_aside(),
        ]

    def _set_aside(self) -> list[str]:
        """What else of a stream is kept while it passes."""
        aside = self._clip.aside if isinstance(self._clip, StreamClip) else None
        if aside is None:
            return []
        maps = [word for stream in aside[1] for word in ("-map", f"0:{stream.index}")]
        return [*maps, "-c", "copy", "-f", "matroska", f"pipe:{aside[0]}"]

    def _frames(
        self, process: Ffmpeg, reading: int, promised: PacketTimes | None
    ) -> Iterator[Frame]:
        index = 0
        for pts, color in self._decoded(process, reading):
            if self._span.end is not None and pts >= self._span.end:
                return
            for missing in self._missing(pts, process, promised):
                yield self._repeat(index, missing, color)
                index += 1
            if self._span.start is not None and pts < self._span.start:
                continue
            self._last = Frame(index, pts, color)
            yield self._last
            index += 1
        for missing in self._missing(None, process, promised):
            if self._last is not None:
                yield self._repeat(index, missing, self._last.color)
                index += 1

    def _missing(self, pts: int | None, process: Ffmpeg, promised: PacketTimes | None) -> list[int]:
        """Times of frames that ffmpeg complained about and left out."""
        if promised is None:
            return []
        start, end = self._span.start, self._span.end
        times = [
            missing
            for missing in promised.before(pts)
            if (start is None or missing >= start) and (end is None or missing < end)
        ]
        if times:
            time.sleep(_SETTLE)
        return times if process.errors and not process.is_cut_off else []

    def _repeat(self, index: int, pts: int, color: Array) -> Frame:
        self.damage.repeated += 1
        return Frame(index, pts, self._last.color if self._last else color, repeated=True)

    def _decoded(self, process: Ffmpeg, reading: int) -> Iterator[tuple[int, Array]]:
        """Timestamps in the clip's own ticks, and pixels."""
        begin = time.perf_counter()
        with process.awaited():
            try:
                container = av.open(f"pipe:{reading}", "r", format="nut")
            except (av.error.FFmpegError, EOFError):
                self._raise_unless_clean(process)
                return
        with container:
            packets = container.demux(video=0)
            while True:
                with process.awaited():
                    packet = _next_packet(packets)
                self.seconds += time.perf_counter() - begin
                if packet is None or packet.size != self._bytes:
                    break
                yield self._timestamp(packet), self._pixels(packet)
                begin = time.perf_counter()
        self._raise_unless_clean(process)
        if packet is not None:
            raise VideoReadError("its frames change their size", path=self._clip.path)

    def _timestamp(self, packet: Any) -> int:
        exact: Fraction = packet.pts * packet.time_base / self.info.time_base
        return round(exact)

    @property
    def _bytes(self) -> int:
        """Of a frame; one that is shorter was cut off with its sender."""
        samples = self.info.size.pixels * (1 if self._form == "grey" else 3)
        return samples * (2 if self._is_deep else 1)

    def _pixels(self, packet: Any) -> Array:
        size = self.info.size
        levels: Array = np.frombuffer(packet, np.uint16 if self._is_deep else np.uint8)
        channels = () if self._form == "grey" else (3,)
        return levels.reshape(size.height, size.width, *channels)

    def _raise_unless_clean(self, process: Ffmpeg) -> None:
        """Pictures ended: because the file did, or because ffmpeg did?"""
        code = process.wait()
        if code < 0 or process.has_stalled:
            error = process.read_error(code)
            error.path = self._clip.path
            raise error
        if code != 0 and self._last is None:
            raise VideoReadError(
                f"nothing of it can be decoded ({process.last_words})",
                path=self._clip.path,
                remedy="is it whole? play it with another program",
            )

    def _end(self, process: Ffmpeg, promised: PacketTimes | None) -> None:
        damage = self.damage
        damage.errors = process.errors
        damage.words = process.last_words
        claimed = self.info.frames
        damage.is_cut_off = process.is_cut_off
        if promised is not None and claimed and promised.packets and self._span.end is None:
            damage.is_cut_off |= promised.packets < claimed
        if self._last is None and self._span.is_all:
            raise VideoReadError(
                "it has no frames that can be decoded",
                path=self._clip.path,
                remedy="is it whole? play it with another program",
            )


def _next_packet(packets: Iterator[Any]) -> Any | None:
    try:
        for packet in packets:
            if packet.size:
                return packet
    except (av.error.FFmpegError, EOFError):
        return None  # the exit status says why
    return None
