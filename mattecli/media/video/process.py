"""One ffmpeg at work: started, watched for stalls and errors, ended."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

from mattecli.errors import ResourceError, VideoReadError, VideoWriteError

__all__ = ["FORMATS", "Ffmpeg", "associates_alpha", "data_pipe", "ffmpeg_path"]

FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,mxf,nut,flv,ogg,asf,gif,"
    "apng,webp,webp_anim,yuv4mpegpipe,h264,hevc,vvc,av1,obu,ivf,dv,rm,wtv,y4m,aac,mp3,wav,"
    "ffmetadata,mjpeg,jpeg_pipe,png_pipe,bmp_pipe,ppm_pipe,pgm_pipe,dpx_pipe,qoi_pipe,webp_pipe,"
    "j2k_pipe,jpegls_pipe"
)
"""Containers that ffmpeg may open: none that names further files (playlists, scripts).

Of streams of images (``_pipe``) those that ffmpeg can tell one image from the next in.
"""

_KEPT_LINES = 12
_PIPE_BYTES = 1 << 20
_F_SETPIPE_SZ = 1031  # Linux
_MARKS = re.compile(r"^(?:\[[^\]]*\] *)+")  # level, and which part of ffmpeg speaks
_CUT_OFF = ("partial file", "ended prematurely", "truncat", "unexpected end of file")
_ECHOES = (  # what ffmpeg's other parts say when one has failed
    "Task finished with error",
    "Terminating thread",
    "Conversion failed",
    "Nothing was written",
    "Error while filtering",
    "Could not open encoder before EOF",
    "Last message repeated",
    "Error sending frames to consumers",
)
_PATIENCE = 30.0  # seconds, for a question that takes none
_FULL = ("No space left on device", "Disk quota exceeded")


@lru_cache(maxsize=1)
def ffmpeg_path() -> str:
    """The ffmpeg that imageio-ffmpeg brings, or the one that ``IMAGEIO_FFMPEG_EXE`` names.

    Raises:
        ResourceError: there is none, or it lacks the filter that colours need.
    """
    import imageio_ffmpeg

    remedy = "run 'pip install -U imageio-ffmpeg', or set IMAGEIO_FFMPEG_EXE to an ffmpeg 7"
    try:
        path = str(imageio_ffmpeg.get_ffmpeg_exe())
        filters = subprocess.run(
            [path, "-hide_banner", "-filters"], capture_output=True, check=False, timeout=_PATIENCE
        )
    except (RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        raise ResourceError(f"there is no ffmpeg ({error})", remedy=remedy) from error
    if b" zscale " not in filters.stdout:
        raise ResourceError("this ffmpeg has no zscale filter", path=path, remedy=remedy)
    return path


@lru_cache(maxsize=1)
def associates_alpha() -> bool:
    """Whether this ffmpeg knows straight from associated alpha, and converts by itself (8.0)."""
    asked = [ffmpeg_path(), "-hide_banner", "-h", "filter=setparams"]
    told = subprocess.run(asked, capture_output=True, check=False, timeout=_PATIENCE)
    return b"alpha_mode" in told.stdout


def data_pipe() -> tuple[int, int]:
    """A pipe's reading and writing end, with as large a buffer as the system grants."""
    reading, writing = os.pipe()
    with suppress(OSError):
        fcntl.fcntl(writing, _F_SETPIPE_SZ, _PIPE_BYTES)
    return reading, writing


class Ffmpeg:
    """A running ffmpeg.

    Its standard error is read all the time; the last lines are kept for messages. While somebody
    waits for it (``awaited``) and it does nothing for longer than ``patience``, it is killed.

    Args:
        role: what it does, for messages: decoder, encoder ...
        arguments: without the program.
        files: descriptors that it inherits.
        folder: its current folder, where the names in ``arguments`` lie.
        patience: seconds.
        ends: descriptors of its standard input and output, /dev/null by default.

    Raises:
        ResourceError: there is no ffmpeg, or it cannot be started.
    """

    def __init__(
        self,
        role: str,
        arguments: Sequence[str],
        *,
        files: Sequence[int] = (),
        folder: Path | None = None,
        patience: float = 60.0,
        ends: tuple[int, int] = (subprocess.DEVNULL, subprocess.DEVNULL),
    ) -> None:
        self.role = role
        self.errors = 0
        self.is_cut_off = False
        self.has_stalled = False
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._full = False
        self._patience = patience
        self._waiting_since: float | None = None
        begin = ["-hide_banner", "-nostdin", "-loglevel", "repeat+level+warning", "-y"]
        try:
            self._process = subprocess.Popen(
                [ffmpeg_path(), *begin, *arguments],
                stdin=ends[0],
                stdout=ends[1],
                stderr=subprocess.PIPE,
                pass_fds=files,
                cwd=folder,
                start_new_session=True,  # the terminal's Ctrl-C is ours to handle
            )
        except OSError as error:
            raise ResourceError(
                f"the {role} (ffmpeg) cannot be started ({error.strerror})",
                remedy="use fewer --workers, or run 'mattecli doctor'",
            ) from error
        self._reader = threading.Thread(target=self._listen, daemon=True, name=role)
        self._reader.start()
        threading.Thread(target=self._watch, daemon=True, name=f"watch {role}").start()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @contextmanager
    def awaited(self) -> Iterator[None]:
        """A block that waits for ffmpeg, which is killed if that takes longer than ``patience``."""
        self._waiting_since = time.monotonic()
        try:
            yield
        finally:
            self._waiting_since = None

    def wait(self) -> int:
        """Its exit status; negative: the signal that ended it."""
        with self.awaited():
            code = self._process.wait()
        self._reader.join()
        return code

    def kill(self) -> None:
        """End it now."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._reader.join()

    def failure(self, code: int) -> str:
        """Why it ended with ``code``, with its last words."""
        if self.has_stalled:
            return f"the {self.role} (ffmpeg) did nothing for {self._patience:g} seconds"
        if code < 0:
            return f"the {self.role} (ffmpeg) was killed by signal {-code}"
        words = self.last_words or f"exit status {code}"
        return f"the {self.role} (ffmpeg) failed: {words}"

    @property
    def last_words(self) -> str:
        """The most telling of its last lines, or ""."""
        plain = [line for line in self._lines if not any(word in line for word in _ECHOES)]
        return (plain or list(self._lines) or [""])[-1]

    def read_error(self, code: int) -> VideoReadError:
        """Its failure, as one of reading."""
        return VideoReadError(self.failure(code), remedy="run it again with --resume")

    def write_error(self, code: int) -> VideoWriteError:
        """Its failure, as one of writing."""
        if self._full:
            return VideoWriteError(
                f"the disk is full ({self.last_words})",
                remedy="free some space and run again with --resume",
            )
        return VideoWriteError(self.failure(code), remedy="run it again with --resume")

    def _listen(self) -> None:
        stream = self._process.stderr
        if stream is None:
            raise AssertionError("ffmpeg has no standard error")
        for raw in stream:
            line = raw.decode("utf-8", "replace").strip()
            is_error = "[error]" in line or "[fatal]" in line or "corrupt" in line.lower()
            text = _MARKS.sub("", line)
            lowered = text.lower()
            self.is_cut_off |= any(word in lowered for word in _CUT_OFF)
            self._full |= any(word in text for word in _FULL)
            if is_error and text:
                self.errors += 1
                self._lines.append(text)
        stream.close()

    def _watch(self) -> None:
        while self._process.poll() is None:
            since = self._waiting_since
            if since is not None and time.monotonic() - since > self._patience:
                self.has_stalled = True
                self._process.kill()
                return
            time.sleep(min(0.5, self._patience / 4))
