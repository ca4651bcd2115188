"""A web server on this machine that misbehaves as it is told."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Script:
    """What the server offers and how it behaves.

    Attributes:
        body: the file.
        tag: its ETag, "" for none.
        cuts: bytes to send before breaking off, one for each of the first requests; -1 sends all.
        stall_at: bytes after which nothing more comes, though the connection stays.
        status: answered to everything, where it is not 200.
        ranges: whether parts can be asked for.
        lengths: whether the size is announced.
        location: where everything is redirected to.
        pace: seconds to wait before each piece of 1 MB.
        asked: the Range header of each request, "" where there was none.
        sent: bytes sent so far.
    """

    body: bytes
    tag: str = '"one"'
    cuts: list[int] = field(default_factory=list)
    stall_at: int | None = None
    status: int = 200
    ranges: bool = True
    lengths: bool = True
    location: str = ""
    pace: float = 0.0
    asked: list[str] = field(default_factory=list)
    sent: int = 0
    address: str = ""
    released: threading.Event = field(default_factory=threading.Event)


@contextmanager
def serving(script: Script) -> Iterator[Script]:
    """The script, served at its ``address`` for as long as the context lasts."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(script))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    script.address = f"http://127.0.0.1:{server.server_port}/weights.pth"
    try:
        yield script
    finally:
        script.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _handler(script: Script) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, script)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


def _answer(handler: BaseHTTPRequestHandler, script: Script) -> None:
    handler.close_connection = True
    wanted = handler.headers.get("Range", "")
    script.asked.append(wanted)
    if script.location:
        handler.send_response(302)
        handler.send_header("Location", script.location)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    if script.status != 200:
        handler.send_error(script.status)
        return
    begin = _begin(handler, script, wanted)
    if begin >= len(script.body) > 0:
        handler.send_error(416)
        return
    handler.send_response(206 if begin else 200)
    if begin:
        size = len(script.body)
        handler.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
    if script.lengths:
        handler.send_header("Content-Length", str(len(script.body) - begin))
    if script.tag:
        handler.send_header("ETag", script.tag)
    handler.end_headers()
    _send(handler, script, begin)


def _begin(handler: BaseHTTPRequestHandler, script: Script, wanted: str) -> int:
    match = re.fullmatch(r"bytes=(\d+)-", wanted)
    same = handler.headers.get("If-Range", script.tag) == script.tag
    return int(match[1]) if match and script.ranges and same else 0


def _send(handler: BaseHTTPRequestHandler, script: Script, begin: int) -> None:
    number = len(script.asked) - 1
    cut = script.cuts[number] if number < len(script.cuts) else -1
    end = len(script.body) if cut < 0 else min(begin + cut, len(script.body))
    stall = script.stall_at if script.stall_at is not None else end
    for place in range(begin, min(end, stall), 2**20):
        piece = script.body[place : min(place + 2**20, end, stall)]
        script.released.wait(script.pace)
        script.sent += len(piece)  # before the client can act on it
        try:
            handler.wfile.write(piece)
        except OSError:  # the client has gone
            return
    if stall < end:
        script.released.wait(60)
