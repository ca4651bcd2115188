"""Decoders that may crash, kept in child processes: a crash costs one file, not the run.

JPEG, PNG and plain WebP are decoded in this process: their containers are checked byte by byte
before, and their libraries are the most attacked and best mended there are. All else goes to a
child, which is started when it is first needed (about 0.2 s) and then stays; a file's way there and
back takes a fraction of a millisecond and the time of copying its pixels once.
"""

from __future__ import annotations

import atexit
import base64
import math
import mmap
import os
import socket
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import numpy as np

from mattecli.errors import ImageReadError, ResourceError
from mattecli.media.child_process import child_environment, module_command
from mattecli.media.containers.header import Header
from mattecli.media.messages import Message, nameless_file, receive, send
from mattecli.media.planes import Planes
from mattecli.records import Array, Resolution, Size

__all__ = [
    "decode_apart",
    "end_children",
    "idle_children",
    "is_safe_here",
    "read_header_apart",
]

_START = 150  # seconds that a child may take to get ready, on a machine that is busy
_PATIENCE = 120  # seconds that one file may take
_GRACE = 30  # by then its own alarm should have ended it


def is_safe_here(header: Header) -> bool:
    """Whether a file of this header may be decoded in this process."""
    if header.format == "webp":
        return header.frames == 1
    return header.format == "png" or (header.format == "jpeg" and header.mode != "cmyk")


def decode_apart(data: bytes) -> Planes:
    """What `mattecli.media.decode.decode_planes` gives for a file, decoded by a child.

    Raises:
        ImageReadError: as there; or the decoder crashed, or takes too long.
        ResourceError: memory does not suffice, or no child can be started.
    """
    answer = _asked("pixels", data)
    if answer.file is None:
        raise _crashed(None)
    try:
        return Planes(*_mapped(answer.file, answer.text["planes"]))
    finally:
        os.close(answer.file)


def read_header_apart(_name: str, data: bytes) -> Header:
    """The header of an AVIF or HEIC file, whose reader is a decoder already.

    Raises:
        ImageReadError: it is damaged; or the decoder crashed, or takes too long.
        ResourceError: no child can be started.
    """
    told = dict(_asked("header", data).text)
    del told["kind"]
    icc = told.pop("icc")
    stored, resolution = Size(*told.pop("stored")), told.pop("stored_resolution")
    return Header(
        stored=stored,
        icc=None if icc is None else base64.b64decode(icc),
        stored_resolution=resolution and Resolution(*resolution),
        **told,
    )


def _mapped(file: int, planes: list[Mapping[str, Any]]) -> list[Array]:
    shared = mmap.mmap(file, 0)
    arrays = []
    at = 0
    for told in planes:
        count = math.prod(told["shape"])
        plane = np.frombuffer(shared, told["type"], count, at).reshape(told["shape"])
        at += plane.nbytes
        arrays.append(plane)
    return arrays


class _Child:
    """One decoding process.

    Raises:
        OSError: it cannot be started.
        ResourceError: it was started, but does not get ready.
    """

    def __init__(self) -> None:
        mine, other = socket.socketpair()
        with other:
            try:
                self._process = subprocess.Popen(
                    module_command("mattecli.media.decoding_process", str(other.fileno())),
                    pass_fds=[other.fileno()],
                    env=child_environment(),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,  # libraries complain there
                    start_new_session=True,  # the terminal's Ctrl-C is not for it
                )
            except OSError:
                mine.close()
                raise
        self._connection = mine
        try:
            self._await_ready()
        except BaseException:
            self.end()
            raise
        mine.settimeout(_PATIENCE + _GRACE)

    def _await_ready(self) -> None:
        self._connection.settimeout(_START)
        try:
            greeting = receive(self._connection)
        except TimeoutError as error:
            raise ResourceError(
                f"the process that decodes this image was not ready after {_START} seconds",
                remedy="use fewer --workers, or close other programs",
            ) from error
        if greeting is None:
            raise ResourceError(
                "no process can be started to decode this image", remedy="run 'mattecli doctor'"
            )

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    def ask(self, task: str, data: bytes) -> Message | None:
        """The answer to a request; None: it died."""
        file = nameless_file()
        try:
            with os.fdopen(file, "wb", closefd=False) as stream:
                stream.write(data)
            send(self._connection, {"task": task, "seconds": _PATIENCE}, file)
            return receive(self._connection)
        except ConnectionError:  # it died while it was spoken to
            return None
        finally:
            os.close(file)

    def end(self) -> int:
        """End it; its exit status, negative for a signal."""
        self._connection.close()
        try:
            return self._process.wait(1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


_idle: list[_Child] = []
_lock = threading.Lock()


def _asked(task: str, data: bytes) -> Message:
    child = _free_child()
    try:
        answer = child.ask(task, data)
    except TimeoutError:
        answer = None
    except OSError as error:
        child.end()
        raise ResourceError(
            f"this image cannot be handed to its decoder ({error.strerror})",
            remedy="use fewer --workers",
        ) from error
    if answer is None:
        raise _crashed(child.end())
    with _lock:
        _idle.append(child)
    return _checked(answer)


def _free_child() -> _Child:
    """A child that waits for work, or a new one."""
    with _lock:
        if _idle:
            return _idle.pop()
    try:
        return _Child()
    except OSError as error:
        raise ResourceError(
            f"no process can be started to decode this image ({error.strerror})",
            remedy="use fewer --workers",
        ) from error


def _checked(answer: Message) -> Message:
    text = answer.text
    match text["kind"]:
        case "unreadable":
            raise ImageReadError(text["cause"], remedy=text["remedy"])
        case "resources":
            raise ResourceError(text["cause"], remedy=text["remedy"])
        case "memory":
            raise MemoryError
    return answer


def _crashed(status: int | None) -> ImageReadError:
    if status is None:
        how = "crashed"
    elif status < 0:
        how = f"was ended by signal {-status}"
    else:
        how = f"ended with status {status}"
    return ImageReadError(
        f"its decoder {how}: the file is damaged, or made to do that",
        remedy="copy or export it again",
    )


def idle_children() -> list[int]:
    """Process ids of the children that wait for work."""
    with _lock:
        return [child.pid for child in _idle]


@atexit.register
def end_children() -> None:
    """End those children; new ones are started when they are needed."""
    while _idle:
        with suppress(OSError):
            _idle.pop().end()
