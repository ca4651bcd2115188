"""Body of a child process that decodes images whose decoders may crash.

Run as ``python -P -m mattecli.media.decoding_process FD``; the socket is inherited. Each request
names a task and comes with the image's file: ``header`` answers what its header says, ``pixels``
with a file that holds its planes. The child ends with its socket.
"""

from __future__ import annotations

import base64
import mmap
import os
import signal
import socket
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mattecli.errors import ImageReadError, MattecliError
from mattecli.media import pillow_codecs
from mattecli.media.containers.header import Header
from mattecli.media.decode import decode_planes
from mattecli.media.headers import read_header
from mattecli.media.messages import Message, nameless_file, receive, send
from mattecli.media.planes import Planes

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Answer requests until there are no more."""
    _be_the_first_to_go()
    with socket.socket(fileno=int(arguments[0])) as connection:
        send(connection, {"kind": "ready"})
        while (request := receive(connection)) is not None:
            with suppress(AttributeError):  # a decoder that never ends must not outlive its parent
                signal.alarm(int(request.text["seconds"]))
            _answer(connection, request)
            with suppress(AttributeError):
                signal.alarm(0)
    return 0


def _be_the_first_to_go() -> None:
    """When memory runs out, the system ends this process rather than the one that waits."""
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _answer(connection: socket.socket, request: Message) -> None:
    if request.file is None:
        raise AssertionError("a request came without its file")
    file: int | None = None
    try:
        data = _content(request.file)
        if request.text["task"] == "header":
            answer = _header(data)
        else:
            file = nameless_file()
            answer = _pixels(data, file)
    except MattecliError as error:
        is_read_error = isinstance(error, ImageReadError)
        answer = {
            "kind": "unreadable" if is_read_error else "resources",
            "cause": error.cause,
            "remedy": error.remedy,
        }
    except MemoryError:
        answer = {"kind": "memory"}
    except Exception as error:  # noqa: BLE001 - a fault of the program, told like any other
        answer = {"kind": "unreadable", "cause": f"its decoder failed ({error!r})", "remedy": ""}
    try:
        send(connection, answer, file if answer["kind"] == "pixels" else None)
    finally:
        if file is not None:
            os.close(file)


def _content(file: int) -> bytes:
    """All bytes of a request's file, which is closed."""
    try:
        with mmap.mmap(file, 0, access=mmap.ACCESS_READ) as mapped:
            return mapped[:]
    finally:
        os.close(file)


def _read_header(data: bytes) -> Header:
    return read_header(data, apart=pillow_codecs.read_header)


def _header(data: bytes) -> dict[str, Any]:
    header = asdict(_read_header(data))
    icc = header.pop("icc")
    return {"kind": "header", **header, "icc": icc and base64.b64encode(icc).decode("ascii")}


def _pixels(data: bytes, file: int) -> dict[str, Any]:
    """Decode, and put the planes one after the other into the file."""
    planes: Planes = decode_planes(data, _read_header(data))
    told = []
    with os.fdopen(file, "wb", closefd=False) as stream:
        for plane in (planes.color, planes.alpha):
            if plane is not None:
                told.append({"shape": plane.shape, "type": plane.dtype.name})
                stream.write(np.ascontiguousarray(plane).data)
    return {"kind": "pixels", "planes": told}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
