"""The one place that talks to object stores, through fsspec.

What a listing told is remembered until the next run plans, so that a million names do not become a
million requests.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any

from mattecli.errors import UsageError
from mattecli.media.stores.schemes import SCHEMES

__all__ = ["ObjectInfo", "Service", "StoreError", "forget_listings", "service_of"]

_PART_BYTES = 50 << 20  # of a large upload


class StoreError(OSError):
    """A store's refusal or failure, with what people need to know of it.

    Attributes:
        remedy: what the user can do.
    """

    remedy: str = ""


class _MissingError(StoreError, FileNotFoundError):
    """There is no such object."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What a store tells of an object.

    Attributes:
        size: in bytes.
        changed_ns: when it was made, in nanoseconds since 1970.
        is_folder: it is no object, but the beginning of others' names.
    """

    size: int
    changed_ns: int
    is_folder: bool


class Service:
    """A kind of store.

    Args:
        files: fsspec's file system.
    """

    def __init__(self, files: Any) -> None:
        self._files = files
        self._known: dict[str, dict[str, ObjectInfo]] = {}  # listings, whole, by folder
        self._guard = threading.Lock()

    def info(self, key: str) -> ObjectInfo:
        """What there is under a name.

        Raises:
            FileNotFoundError: there is nothing.
            OSError: the store refuses, or does not answer.
        """
        folder, _, name = key.rpartition("/")
        listed = self._known.get(folder)
        if listed is not None:
            if name in listed:
                return listed[name]
            raise _MissingError(errno.ENOENT, "there is no such object")
        if key in self._known:
            return ObjectInfo(0, 0, is_folder=True)
        with _as_os_error(key):
            return _info_of(self._files.info(key))

    def listing(self, key: str) -> list[str]:
        """Names directly below a folder.

        Raises:
            FileNotFoundError: there is nothing.
            OSError: the store refuses, or does not answer.
        """
        if key not in self._known:
            with _as_os_error(key):
                found = self._files.ls(key, detail=True)
            self._remember(key, found)
        if not self._known[key]:
            raise _MissingError(errno.ENOENT, "there is no such object")
        return list(self._known[key])

    def list_quietly(self, key: str) -> None:
        """Remember what a folder holds, if the store tells."""
        try:
            self.listing(key)
        except FileNotFoundError:
            self._remember(key, [])
        except OSError:
            return

    def match(self, pattern: str) -> list[str]:
        """Keys that a pattern with ``*``, ``?``, ``[]`` and ``**`` matches.

        Raises:
            OSError: the store refuses, or does not answer.
        """
        with _as_os_error(pattern):
            found = self._files.glob(pattern, detail=True)
        return [key for key, info in found.items() if info["type"] == "file"]

    def forget(self) -> None:
        """Forget what was listed."""
        self._files.invalidate_cache()
        self._known = {}

    def read(self, key: str, count: int | None = None) -> bytes:
        """An object's bytes, all or the first ``count``.

        Raises:
            FileNotFoundError: there is none.
            OSError: the store refuses, or does not answer.
        """
        with _as_os_error(key):
            data: bytes = self._files.cat_file(key, start=None if count is None else 0, end=count)
        return data

    def write(self, key: str, data: bytes) -> None:
        """Make an object. It appears when it is whole; what was there before stays until then.

        Raises:
            OSError: the store refuses, or does not answer.
        """
        with _as_os_error(key, writing=True):
            self._files.pipe_file(key, data)
        self._changed(key)

    def upload(self, key: str, file: Path) -> None:
        """Make an object of a file, as ``write`` does, in parts."""
        with _as_os_error(key, writing=True):
            self._files.put_file(str(file), key, chunksize=_PART_BYTES)
        self._changed(key)

    def download(self, key: str, file: Path) -> None:
        """Make a file of an object.

        Raises:
            OSError: the store refuses or does not answer, or the disk does not take it.
        """
        with _as_os_error(key):
            self._files.get_file(key, str(file))

    def _changed(self, key: str) -> None:
        """What was known of the object's folders no longer holds."""
        with self._guard:
            for folder in PurePosixPath(key).parents:
                self._known.pop(str(folder), None)

    def _remember(self, key: str, found: list[dict[str, Any]]) -> None:
        names = {}
        for info in found:
            name = str(info["name"]).rstrip("/").rpartition("/")[2]
            if str(info["name"]).rstrip("/") != key and name:  # it may list itself as a marker
                names[name] = _info_of(info)
        with self._guard:
            self._known[key] = names


_services: dict[str, Service] = {}
_making = threading.Lock()


def service_of(scheme: str) -> Service:
    """The store of a kind of URL; settings come from where its own tools take them.

    Raises:
        UsageError: the packages for it are not installed.
    """
    with _making:
        if scheme not in _services:
            _services[scheme] = _connected(scheme)
        return _services[scheme]


def _connected(scheme: str) -> Service:
    try:
        from fsspec import filesystem

        return Service(filesystem(scheme, use_listings_cache=False, skip_instance_cache=True))
    except ImportError as error:
        package = "cloud" if scheme == "s3" else "gcs"
        raise UsageError(
            f"{scheme}:// needs {SCHEMES[scheme]}, which is not installed",
            remedy=f"run: pip install 'mattecli[{package}]'",
        ) from error


def forget_listings() -> None:
    """Forget what all stores have listed, when a run begins."""
    for service in _services.values():
        service.forget()


def _info_of(info: dict[str, Any]) -> ObjectInfo:
    when = info.get("LastModified") or info.get("mtime") or info.get("updated") or 0
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    seconds = when.timestamp() if isinstance(when, datetime) else float(when)
    size = int(info.get("size") or 0)
    return ObjectInfo(size, round(seconds * 1000) * 10**6, is_folder=info["type"] == "directory")


@contextmanager
def _as_os_error(key: str, *, writing: bool = False) -> Iterator[None]:
    """Whatever the store's packages raise, as an error of the kind that files raise."""
    try:
        yield
    except Exception as error:  # each package has its own exceptions
        raise _translated(error, key.partition("/")[0], writing) from error


def _translated(error: Exception, bucket: str, writing: bool) -> OSError:
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, OSError) and error.filename is not None and error.errno:
        return error  # of a file here
    if isinstance(error, FileNotFoundError):
        words = f"there is no bucket {bucket}" if writing else "there is no such object"
        missing = _MissingError(errno.ENOENT, words)
        missing.remedy = "check the name"
        return missing
    refused = isinstance(error, PermissionError) or "redentials" in said
    failure = StoreError(errno.EACCES if refused else errno.EIO, _words(said, refused, writing))
    failure.remedy = (
        "check the credentials, and what the bucket's policy lets them do"
        if refused
        else "check the connection and the endpoint, and run again with --existing skip"
    )
    return failure


def _words(said: str, refused: bool, writing: bool) -> str:
    verb = "written" if writing else "read"
    return (
        f"the store does not let it be {verb} ({said})" if refused else f"the store failed ({said})"
    )
