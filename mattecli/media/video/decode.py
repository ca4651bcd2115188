"""Frames of a video file, one after the other, exact in time."""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import av
import numpy as np

from mattecli.errors import VideoReadError
from mattecli.media.video.clip import Clip
from mattecli.media.video.colours import to_grey, to_rgb
from mattecli.media.video.packets import PacketTimes
from mattecli.media.video.process import FORMATS, Ffmpeg, data_pipe
from mattecli.media.video.records import ClipInfo, Frame, Span
from mattecli.media.video.stream import StreamClip
from mattecli.records import Array

__all__ = ["ClipReader", "Damage"]

_SEEK_MARGIN = 1  # seconds before the wanted frame that decoding begins
_SIGN_OF_LIFE = 64  # one of so many skipped frames is passed on, to show that work goes on
_TURNS = {90: "transpose=1", 180: "hflip,vflip", 270: "transpose=2"}
_NEAR_END = 1.0  # seconds: sound may go on after the pictures
_SETTLE = 0.1  # seconds that ffmpeg's words may lag behind its pictures


@dataclass(slots=True)
class Damage:
    """What was wrong with a clip.

    Attributes:
        repeated: frames that could not be decoded.
        untimely: frames that were left out since one of a later time had come before them.
        errors: complaints of the decoder.
        is_cut_off: the file ends before it should.
        words: the last complaint.
    """

    repeated: int = 0
    untimely: int = 0
    errors: int = 0
    is_cut_off: bool = False
    words: str = ""

    @property
    def is_any(self) -> bool:
        """Whether frames are not all as they were sent."""
        return bool(self.errors or self.repeated or self.untimely)


class ClipReader:
    """Decodes a clip in ffmpeg.

    Args:
        clip: an open file.
        span: what is wanted of it.
        form: RGB, or grey levels.
        patience: seconds without a frame after which the decoder is given up.
    """

    def __init__(
        self,
        clip: Clip | StreamClip,
        span: Span = Span(),  # noqa: B008 - it cannot be changed
        *,
        form: Literal["rgb", "grey"] = "rgb",
        patience: float = 60.0,
    ) -> None:
        self.info: ClipInfo = clip.info
        self.damage = Damage()
        self.seconds = 0.0
        self._clip = clip
        self._span = span
        self._form = form
        self._patience = patience
        self._is_live = isinstance(clip, StreamClip) and not clip.is_whole
        self._is_deep = self.info.depth > 8 and form == "rgb"
        self._last: Frame | None = None
        self._time: int | None = None  # of the frame before, be it a repeated one

    def __iter__(self) -> Generator[Frame]:
        with ExitStack() as stack:
            promised = None
            if not self._is_live:
                promised = PacketTimes(self._clip.another())
                stack.callback(promised.close)
            reading, writing = data_pipe()
            stack.callback(os.close, reading)
            process = self._started(writing)
            stack.callback(process.kill)
            yield from self._frames(process, reading, promised)
            self._end(process, promised)

    def _started(self, writing: int) -> Ffmpeg:
        """The decoder, at work; ``writing`` is its own from now on."""
        with ExitStack() as stack:
            stack.callback(os.close, writing)
            source = self._clip.another()
            stack.callback(os.close, source)
            aside = self._clip.aside if isinstance(self._clip, StreamClip) else None
            return Ffmpeg(
                "decoder",
                self._arguments(source, writing),
                files=[source, writing, *([aside[0]] if aside else [])],
                patience=self._patience,
            )

    def _arguments(self, source: int, writing: int) -> list[str]:
        info, start = self.info, self._span.start
        convert = to_grey(info) if self._form == "grey" else to_rgb(info, deep=self._is_deep)
        # Turned as RGB: the chroma samples of a turned picture would lie elsewhere.
        turn = [] if info.is_flipped else ["-noautorotate"]
        if turn and info.rotation in _TURNS:
            convert = f"{convert},{_TURNS[info.rotation]}"
        seek: list[str] = []
        begin = Fraction(0) if start is None else start * info.time_base - _SEEK_MARGIN
        if begin > 0 and info.has_index and not self._is_live:
            seek = ["-seek_timestamp", "1", "-ss", f"{float(begin):.6f}"]
        elif begin > 0:
            # Decoded from its beginning: a jump into the middle of frames that lean on each
            # other would give other pixels, or none.
            early = f"isnan(t)+gte(t,{float(begin):.6f})+not(mod(n,{_SIGN_OF_LIFE}))"
            convert = f"select='{early}',{convert}"
        whitelists = ["-protocol_whitelist", "fd,pipe", "-format_whitelist", FORMATS]
        return [
            *("-copyts", *turn, *seek, *whitelists, "-fd", str(source), "-i", "fd:"),
            *("-map", f"0:{info.stream}", "-vf", convert),
            *("-fps_mode", "passthrough", "-enc_time_base", str(info.time_base)),
            *("-c:v", "rawvideo", "-f", "nut", f"pipe:{writing}"),
            *self._set_aside(),
        ]

    def _set_aside(self) -> list[str]:
        """Arguments that keep the sound and subtitles of a stream, which come by only once."""
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
            if self._time is not None and pts <= self._time:  # damage gives times anew
                self.damage.untimely += 1
                continue
            self._time = pts
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
            if (self._time is None or missing > self._time)
            and (start is None or missing >= start)
            and (end is None or missing < end)
        ]
        if times:
            time.sleep(_SETTLE)
        return times if process.errors and not process.is_cut_off else []

    def _repeat(self, index: int, pts: int, color: Array) -> Frame:
        self.damage.repeated += 1
        self._time = pts
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
        """Size of a frame; a shorter one was cut off when ffmpeg ended."""
        samples = self.info.size.pixels * (1 if self._form == "grey" else 3)
        return samples * (2 if self._is_deep else 1)

    def _pixels(self, packet: Any) -> Array:
        size = self.info.size
        levels: Array = np.frombuffer(packet, np.uint16 if self._is_deep else np.uint8)
        channels = () if self._form == "grey" else (3,)
        return levels.reshape(size.height, size.width, *channels)

    def _raise_unless_clean(self, process: Ffmpeg) -> None:
        """The frames have ended: raise, unless that is because the file has."""
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

    @property
    def _ends_far_from_its_end(self) -> bool:
        """Whether the last frame lies over a second before the end that the header claims."""
        info = self.info
        if not info.seconds or self._span.end is not None or self._time is None:
            return False
        missing = info.seconds - float(self._time * info.time_base - info.origin)
        return missing > max(_NEAR_END, info.seconds / 20)

    def _end(self, process: Ffmpeg, promised: PacketTimes | None) -> None:
        damage = self.damage
        damage.errors = process.errors
        damage.words = process.last_words
        claimed = self.info.frames
        damage.is_cut_off = process.is_cut_off
        if promised is not None and claimed and promised.packets and self._span.end is None:
            damage.is_cut_off |= promised.packets < claimed
        damage.is_cut_off |= self.info.is_short and self._span.end is None
        damage.is_cut_off |= bool(damage.errors) and self._ends_far_from_its_end
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
