"""Frames into an encoder: ffmpeg, fed with NUT by a thread."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from mattecli.errors import MattecliError, VideoWriteError
from mattecli.media.video.colours import cut, from_grey, from_rgb, is_uneven, tag_filter
from mattecli.media.video.containers import Codec
from mattecli.media.video.process import Ffmpeg, data_pipe
from mattecli.media.video.records import ClipInfo
from mattecli.records import Array, Size

__all__ = ["EncoderPlan", "FrameEncoder", "encoder_filters"]

_QUEUED = 2
_RAW = {
    (np.dtype(np.uint8), 1): "gray",
    (np.dtype(np.uint8), 3): "rgb24",
    (np.dtype(np.uint8), 4): "rgba",
    (np.dtype(np.uint16), 1): "gray16le",
    (np.dtype(np.uint16), 3): "rgb48le",
    (np.dtype(np.uint16), 4): "rgba64le",
}
_LIMITED = ("prores", "ffv1")
_TURN_BACK = {
    90: ("transpose=2", cv2.ROTATE_90_COUNTERCLOCKWISE),
    180: ("hflip,vflip", cv2.ROTATE_180),
    270: ("transpose=1", cv2.ROTATE_90_CLOCKWISE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderPlan:
    """How frames of one kind become a file.

    Attributes:
        info: of the source; its tags, aspect and time base are kept.
        codec: the encoder.
        muxer: ffmpeg's name of the container.
        turn_back: frames are stored as the source's are, for players to turn.
        origin: ticks that are taken off all timestamps.
        patience: seconds without progress after which ffmpeg is given up.
    """

    info: ClipInfo
    codec: Codec
    muxer: str
    turn_back: bool = False
    origin: int = 0
    patience: float = 60.0

    @property
    def size(self) -> Size:
        """Of the stored frames."""
        return self.info.stored if self.turn_back else self.info.size

    @property
    def is_uneven(self) -> bool:
        """Whether chroma samples do not divide the frames."""
        return is_uneven(self.size, self.codec.pixels)

    def filled_up(self, image: Array) -> Array:
        """A frame as stored, padded to sides that chroma samples divide; ffmpeg crops it again."""
        if not self.is_uneven:
            return image
        if self.turn_back and self.info.rotation in _TURN_BACK:
            image = cv2.rotate(image, _TURN_BACK[self.info.rotation][1])
        right, below = self.size.width % 2, self.size.height % 2
        return cv2.copyMakeBorder(image, 0, below, 0, right, cv2.BORDER_REPLICATE)


def raw_format(image: Array) -> str:
    """ffmpeg's name of an array's layout."""
    return _RAW[image.dtype, 1 if image.ndim == 2 else image.shape[2]]


def encoder_filters(plan: EncoderPlan, image: Array) -> str:
    """From raw frames to the codec's."""
    info, pixels = _storable(plan), plan.codec.pixels
    turn = plan.turn_back and info.rotation in _TURN_BACK
    # Turned as RGB: chroma samples do not lie where a turned picture's would.
    steps = [_TURN_BACK[info.rotation][0]] if turn and not plan.is_uneven else []
    if image.ndim == 2:
        convert = from_grey(info, pixels)
    else:
        deep = image.dtype == np.uint16
        convert = from_rgb(info, pixels, alpha=image.shape[2] == 4, deep=deep)
    aspect = 1 / info.aspect if turn and info.rotation != 180 else info.aspect
    steps += [convert, tag_filter(info, pixels)]
    steps.append(f"setsar={aspect.numerator}/{aspect.denominator}")
    if plan.is_uneven:
        steps.append(cut(plan.size))
    if info.fields != "progressive":
        steps.append("setfield=" + ("tff" if info.fields[0] == "t" else "bff"))
    return ",".join(steps)


def _storable(plan: EncoderPlan) -> ClipInfo:
    """The source's description as far as the codec keeps it: some know no full range."""
    info = plan.info
    if plan.codec.name in _LIMITED and info.colour.is_full_range:
        return replace(info, colour=replace(info.colour, range="tv"))
    return info


class FrameEncoder:
    """One file (or stream) in the making.

    Args:
        plan: how.
        first: a frame of the kind that will come.
        target: name in ``folder``, or a descriptor to write to.
        folder: ffmpeg's current folder.

    Raises:
        ResourceError: ffmpeg cannot be started.
    """

    def __init__(
        self, plan: EncoderPlan, first: Array, target: str | int, folder: Path | None = None
    ) -> None:
        self.frames = 0
        self.seconds = 0.0
        self.seconds_waited = 0.0
        self._plan = plan
        self._raw = raw_format(first)
        self._size = Size.of(plan.filled_up(first))
        self._queue: queue.Queue[tuple[int, Array] | None] = queue.Queue(maxsize=_QUEUED)
        self._error: MattecliError | None = None
        reading, self._writing = data_pipe()
        try:
            self._process = Ffmpeg(
                "encoder",
                self._arguments(first, target),
                folder=folder,
                patience=plan.patience,
                ends=(reading, target if isinstance(target, int) else subprocess.DEVNULL),
            )
        except BaseException:
            os.close(self._writing)
            raise
        finally:
            os.close(reading)
        self._thread = threading.Thread(target=self._feed, name="encode", daemon=True)
        self._thread.start()

    def _arguments(self, first: Array, target: str | int) -> list[str]:
        plan = self._plan
        codec = plan.codec
        interlaced = ["-flags", "+ilme+ildct"] if plan.info.fields != "progressive" else []
        if codec.name in ("vp9", "ffv1", "raw"):
            interlaced = []
        ticks = ["-video_track_timescale", str(plan.info.time_base.denominator)]
        filters, clock = encoder_filters(plan, first), plan.info.time_base
        if plan.muxer == "yuv4mpegpipe" and plan.info.rate:
            # Its header takes a tick of the clock for a frame.
            clock = 1 / plan.info.rate
            filters += f",settb={clock},setpts=N"
        return [
            *("-copyts", "-f", "nut", "-i", "pipe:0", "-map", "0:v"),
            *("-vf", filters),
            *("-fps_mode", "passthrough", "-enc_time_base", str(clock)),
            *("-c:v", *codec.arguments, *interlaced, "-fflags", "+bitexact"),
            *(ticks if plan.muxer in ("mov", "mp4") else []),
            *("-avoid_negative_ts", "disabled", "-f", plan.muxer),
            "pipe:1" if isinstance(target, int) else target,
        ]

    def put(self, pts: int, image: Array) -> None:
        """Hand over a frame; waits while the encoder is behind.

        Args:
            pts: ticks of the source's time base, larger than the one before.
            image: H,W or H,W,3 or H,W,4 of one type and size throughout.

        Raises:
            VideoWriteError: the encoder failed.
        """
        begin = time.perf_counter()
        while True:
            self._raise_error()
            with suppress(queue.Full):
                self._queue.put((pts, image), timeout=0.5)
                break
        self.seconds_waited += time.perf_counter() - begin
        self.frames += 1

    def finish(self) -> None:
        """No more frames: complete the file.

        Raises:
            VideoWriteError: the encoder failed.
        """
        while self._thread.is_alive():
            with suppress(queue.Full):
                self._queue.put(None, timeout=0.5)
                break
        self._thread.join()
        self._raise_error()

    def abort(self) -> None:
        """Give the file up."""
        self._process.kill()
        with suppress(queue.Full):
            self._queue.put_nowait(None)
        self._error = self._error or VideoWriteError("it was given up")
        self._thread.join()

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _feed(self) -> None:
        """Body of the thread: NUT into the pipe, then wait for ffmpeg to complete the file."""
        refused: Exception | None = None
        try:
            self._mux()
        # Whatever it is (of libav, OpenCV, NumPy, memory): a thread that ended without telling
        # would leave a file that is cut off and looks complete.
        except Exception as error:  # noqa: BLE001 - raised where the next frame is handed over
            refused = error
        finally:
            with suppress(OSError):
                os.close(self._writing)
        code = self._process.wait()
        if code != 0 or self._process.has_stalled:
            self._error = self._error or self._process.write_error(code)
        elif refused is not None:  # ffmpeg is well: a frame could not be handed to it
            self._error = self._error or VideoWriteError(f"a frame does not fit ({refused})")

    def _mux(self) -> None:
        info = self._plan.info
        with av.open(f"pipe:{self._writing}", "w", format="nut") as container:
            stream = container.add_stream("rawvideo", rate=info.rate or 25)
            stream.width, stream.height = self._size
            stream.pix_fmt = self._raw
            stream.time_base = info.time_base
            while (item := self._queue.get()) is not None and self._error is None:
                begin = time.perf_counter()
                with self._process.awaited():
                    container.mux(self._packet(*item, stream, info.time_base))
                self.seconds += time.perf_counter() - begin

    def _packet(self, pts: int, image: Array, stream: Any, time_base: Fraction) -> Any:
        image = self._plan.filled_up(image)
        data: Any = np.ascontiguousarray(image).reshape(-1).view(np.uint8)  # any buffer will do
        packet = av.Packet(data)
        packet.stream = stream
        packet.time_base = time_base
        packet.pts = packet.dts = pts - self._plan.origin
        packet.is_keyframe = True
        return packet
