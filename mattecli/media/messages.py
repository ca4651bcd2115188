"""What goes over the socket between this program and a child that decodes: text and files.

A message is a JSON object, with at most one open file beside it. Large data lie in that file, which
has no name and both sides map.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import struct
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

__all__ = ["Message", "nameless_file", "receive", "send"]

_LENGTH = struct.Struct("<I")
_MOST_TEXT = 1 << 26  # an ICC profile is part of a header


@dataclass(frozen=True, slots=True)
class Message:
    """What came.

    Attributes:
        text: the object.
        file: an open file's descriptor, to be closed by the receiver, or None.
    """

    text: Mapping[str, Any]
    file: int | None = None


def nameless_file() -> int:
    """An empty file in memory (where the system has such), or on disk: its descriptor."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("mattecli", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def send(connection: socket.socket, text: Mapping[str, Any], file: int | None = None) -> None:
    """Send a message.

    Raises:
        OSError: the other side is gone, or too slow for the socket's timeout.
    """
    data = json.dumps(text).encode("ascii")
    socket.send_fds(connection, [_LENGTH.pack(len(data))], [] if file is None else [file])
    connection.sendall(data)


def receive(connection: socket.socket) -> Message | None:
    """The next message; None when the other side is gone.

    Raises:
        OSError: it is too slow for the socket's timeout.
    """
    head, files, _flags, _address = socket.recv_fds(connection, _LENGTH.size, 1)
    for descriptor in files:
        os.set_inheritable(descriptor, False)
    file = files[0] if files else None
    try:
        head += _exactly(connection, _LENGTH.size - len(head))
        length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else _MOST_TEXT + 1
        data = _exactly(connection, length) if length <= _MOST_TEXT else b""
        if length > _MOST_TEXT or len(data) < length:
            raise ConnectionResetError
        return Message(json.loads(data), file)
    except (ConnectionResetError, ValueError):
        _close(file)
        return None
    except OSError:
        _close(file)
        raise


def _close(file: int | None) -> None:
    if file is not None:
        with suppress(OSError):
            os.close(file)


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = []
    while count and (part := connection.recv(min(count, mmap.PAGESIZE * 16))):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)
