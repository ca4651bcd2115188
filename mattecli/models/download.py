"""Downloads one file: continued where it broke off, checked, never taken for whole if it is not.

The only module of the package that contacts anybody, and only when `fetch` is called.
"""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol
from urllib.parse import urlsplit

from mattecli import __version__
from mattecli.errors import ModelUnavailableError
from mattecli.models.order import Order, check_order, is_web_address
from mattecli.models.store import disk_errors, file_digest

__all__ = ["Order", "Progress", "fetch"]

_LEAST_SHARE = 64  # to count as progress, a connection must add 1/64 of what was there
_CHUNK = 2**18
_MOST_BYTES = 2**31
_OTHER_FILE = "it is not the published file: get it from another address"
_PASSING_STATUS = {408, 425, 429, 500, 502, 503, 504}
_REDIRECTS = range(300, 400)


class Progress(Protocol):
    """Told how far a download is."""

    def transferred(self, done: int, total: int | None) -> None:
        """``done`` of ``total`` bytes are on disk; ``total`` is None where nobody knows it."""

    def note(self, text: str) -> None:
        """A remark: what is tried again, and why."""


class _InterruptedError(Exception):
    """The connection ended early; what has come is kept."""


def fetch(order: Order, progress: Progress) -> str:
    """Download ``order`` to its part file, whole and checked.

    Returns:
        The file's SHA-256 in hex.

    Raises:
        ModelUnavailableError: the address has no such file, stalls, or has other bytes than the
            order says. What can be continued later stays in the part file.
        ResourceError: the disk does not take it.
        UsageError: the address is no web address, or the order's numbers make no sense.
    """
    check_order(order)
    failures, furthest = 0, _size(order.part)
    while True:
        try:
            _receive(order, progress)
            return _checked_digest(order)
        except _InterruptedError as error:
            # After progress a new series of tries begins. A few bytes do not count as progress, or
            # a download could take for ever.
            gained = _size(order.part) - furthest
            failures = 1 if gained > furthest // _LEAST_SHARE else failures + 1
            furthest = max(furthest, _size(order.part))
            if failures >= order.tries:
                raise ModelUnavailableError(
                    f"{order.address} {error}, {_times(failures)}",
                    remedy="run the same command again to continue",
                ) from error
            progress.note(f"{order.address} {error}; trying again")
            time.sleep(order.pause)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0


def _checked_digest(order: Order) -> str:
    size, digest = order.part.stat().st_size, file_digest(order.part)
    problem = ""
    if order.size is not None and size != order.size:
        problem = f"has {size:,} bytes instead of {order.size:,}"
    elif order.sha256 and digest != order.sha256:
        problem = f"has SHA-256 {digest} instead of {order.sha256}"
    if problem:
        _discard(order)
        raise ModelUnavailableError(f"{order.address} {problem}; not kept", remedy=_OTHER_FILE)
    _state_path(order).unlink(missing_ok=True)
    return digest


def _receive(order: Order, progress: Progress) -> None:
    """One connection: whatever is missing from the part file is asked for and appended."""
    begin = _resumable(order)
    if begin and begin == order.size:
        return
    try:
        response = _open(order, begin)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and begin:  # the part file does not fit what is offered now
            _discard(order)
            raise _InterruptedError("has changed since the download began") from error
        answer = f"answers {error.code} ({http.client.responses.get(error.code, 'unknown')})"
        if error.code in _PASSING_STATUS:
            raise _InterruptedError(answer) from error
        if error.code in _REDIRECTS:  # one that is not followed: a loop, or not to the web
            answer = f"leads to {error.headers.get('Location', 'nowhere')}, which is not followed"
        raise ModelUnavailableError(
            f"{order.address} {answer}", remedy="check the address, or take another one"
        ) from error
    except urllib.error.URLError as error:
        raise ModelUnavailableError(
            f"{order.address} cannot be reached ({_reason(error)})",
            remedy="check the connection and run the same command again",
        ) from error
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedError(f"does not answer ({_reason(error)})") from error
    with response, disk_errors(order.part):
        begin = _begin_of(response, begin)
        total = _total(order, response, begin)
        if not begin:
            _begin_anew(order, response)
        _copy(response, order, _Extent(begin, total), progress)


@dataclass(frozen=True, slots=True)
class _Extent:
    """The bytes that a response holds: from ``begin`` up to ``total`` (None: until it ends)."""

    begin: int
    total: int | None


def _copy(
    response: http.client.HTTPResponse, order: Order, extent: _Extent, progress: Progress
) -> None:
    done = extent.begin
    most = _MOST_BYTES if extent.total is None else extent.total
    with order.part.open("r+b" if done else "wb") as file:
        file.truncate(done)
        file.seek(done)
        while chunk := _read(response, order.stall):
            done += len(chunk)
            if done > most:
                _discard(order)
                raise ModelUnavailableError(
                    f"{order.address} sends more than {most:,} bytes", remedy=_OTHER_FILE
                )
            file.write(chunk)
            progress.transferred(done, extent.total)
    if extent.total is not None and done < extent.total:
        raise _InterruptedError(f"ended after {done:,} of {extent.total:,} bytes")


def _read(response: http.client.HTTPResponse, stall: float) -> bytes:
    try:
        return response.read1(_CHUNK)
    except TimeoutError as error:
        raise _InterruptedError(f"sent nothing for {stall:g} seconds") from error
    except (OSError, http.client.HTTPException) as error:
        raise _InterruptedError(f"broke off ({_reason(error)})") from error


def _open(order: Order, begin: int) -> http.client.HTTPResponse:
    headers = {"User-Agent": f"mattecli/{__version__}", "Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
        validator = _state(order).get("validator")
        if validator:
            headers["If-Range"] = validator
    request = urllib.request.Request(order.address, headers=headers)
    opener = urllib.request.build_opener(_Redirects(order.insecure))
    response: http.client.HTTPResponse = opener.open(request, timeout=order.stall)
    return response


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, but not from ``https`` to anything weaker."""

    def __init__(self, insecure: bool) -> None:
        self._insecure = insecure

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        insecure = self._insecure and urlsplit(req.full_url).scheme == "http"
        if not is_web_address(newurl, insecure):
            raise ModelUnavailableError(
                f"{req.full_url} leads to {newurl}, which is not https",
                remedy="take another address",
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _begin_of(response: http.client.HTTPResponse, asked: int) -> int:
    """Where the response's bytes begin: 0 when the server sends the whole file again."""
    if response.status != 206:
        return 0
    match = re.match(r"bytes ([0-9]{1,18})-", response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != asked:
        raise _InterruptedError("answers with other bytes than it was asked for")
    return asked


def _total(order: Order, response: http.client.HTTPResponse, begin: int) -> int | None:
    """The whole file's size; None if neither the order nor the server says."""
    match = re.fullmatch(r"[0-9]{1,18}", response.headers.get("Content-Length", ""))
    announced = begin + int(match[0]) if match else None
    if announced is not None and announced > _MOST_BYTES:
        raise ModelUnavailableError(
            f"{order.address} announces {announced:,} bytes; refused", remedy=_OTHER_FILE
        )
    if order.size is not None and announced not in (None, order.size):
        _discard(order)
        raise ModelUnavailableError(
            f"{order.address} has {announced:,} bytes instead of {order.size:,}",
            remedy=_OTHER_FILE,
        )
    return order.size if announced is None else announced


def _resumable(order: Order) -> int:
    """How many bytes of an earlier try can be kept.

    A part file is only continued with bytes of the same version of the file: the server must have
    named the version (ETag, Last-Modified), or the digest must be known.
    """
    state = _state(order)
    same = state.get("address") == order.address and bool(state.get("validator") or order.sha256)
    if not same or not order.part.is_file():
        return 0
    size = order.part.stat().st_size
    return size if order.size is None or size <= order.size else 0


def _state_path(order: Order) -> Path:
    return order.part.with_name(order.part.name + ".json")


def _state(order: Order) -> dict[str, str]:
    try:
        state = json.loads(_state_path(order).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}


def _begin_anew(order: Order, response: http.client.HTTPResponse) -> None:
    """Delete an earlier part file, and only then note the version of what comes now.

    At no moment do bytes of one version lie beside the validator of another.
    """
    order.part.unlink(missing_ok=True)
    tag = response.headers.get("ETag", "")
    strong = tag if tag and not tag.startswith("W/") else ""
    validator = strong or response.headers.get("Last-Modified", "")
    text = json.dumps({"address": order.address, "validator": validator})
    temporary = order.part.with_name(order.part.name + ".json.new")
    temporary.write_text(text, "utf-8")
    temporary.replace(_state_path(order))


def _discard(order: Order) -> None:
    order.part.unlink(missing_ok=True)
    _state_path(order).unlink(missing_ok=True)


def _reason(error: Exception) -> str:
    cause = getattr(error, "reason", error)
    return str(getattr(cause, "strerror", None) or cause or type(cause).__name__)
