"""Paths of objects in stores, which answer what is asked of the paths of files."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path, PosixPath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mattecli.media.stores.service import ObjectInfo, Service

__all__ = ["StorePath", "list_ahead"]

_WORTH_A_LISTING = 8  # names in one folder; one listing answers for a thousand


class StorePath(PosixPath):
    """An object, or a common beginning of objects' names, which stands for a folder.

    Its parts are ``s3:``, the bucket, and those of the key; as text it is a URL again. What cannot
    be asked of an object (locks, links, permissions) is not to be asked of this either.
    """

    def __str__(self) -> str:
        scheme, *rest = self.parts
        return f"{scheme}//{'/'.join(rest)}"

    @property
    def key(self) -> str:
        """Bucket and key, as fsspec has them."""
        return "/".join(self.parts[1:])

    @property
    def service(self) -> Service:
        """The store that it lies in.

        Raises:
            UsageError: the packages for it are not installed.
        """
        from mattecli.media.stores.service import service_of

        return service_of(self.parts[0].removesuffix(":"))

    def exists(self, **_: Any) -> bool:
        """Whether there is such an object, or any below it."""
        return self._info() is not None

    def is_dir(self, **_: Any) -> bool:
        """Whether there are objects below it."""
        info = self._info()
        return info is not None and info.is_folder

    def is_file(self, **_: Any) -> bool:
        """Whether there is such an object."""
        info = self._info()
        return info is not None and not info.is_folder

    def is_symlink(self) -> bool:
        """Never."""
        return False

    def samefile(self, other_path: str | os.PathLike[str]) -> bool:
        """Whether both have one name; objects have no other."""
        return self == other_path

    def stat(self, **_: Any) -> os.stat_result:
        """Size and time of change; the number of the inode is made of the name.

        Raises:
            FileNotFoundError: there is no such object.
            OSError: the store refuses, or does not answer.
        """
        info = self.service.info(self.key)
        mode = stat.S_IFDIR | 0o755 if info.is_folder else stat.S_IFREG | 0o644
        number = int.from_bytes(hashlib.blake2b(os.fsencode(self), digest_size=6).digest(), "big")
        seconds = info.changed_ns // 10**9
        return os.stat_result(
            (mode, number, -1, 1, 0, 0, info.size, seconds, seconds, seconds),
            {"st_mtime_ns": info.changed_ns},
        )

    def iterdir(self) -> Iterator[StorePath]:  # type: ignore[override]  # its own kind
        """What lies directly below it.

        Raises:
            FileNotFoundError: nothing does.
            OSError: the store refuses, or does not answer.
        """
        return iter([self / name for name in self.service.listing(self.key)])

    def open(self, mode: str = "r", *_: Any, **__: Any) -> Any:
        """The whole content, in memory, for reading bytes.

        Raises:
            ValueError: another mode.
            OSError: it cannot be read.
        """
        if mode != "rb":
            raise ValueError(f"an object is not opened as {mode!r}")
        return io.BytesIO(self.read_bytes())

    def read_bytes(self) -> bytes:
        """The whole content.

        Raises:
            OSError: it cannot be read.
        """
        return self.service.read(self.key)

    def write_bytes(self, data: Any) -> int:
        """Make the object, which appears when it is whole.

        Raises:
            OSError: the store refuses, or does not answer.
        """
        self.service.write(self.key, data)
        return len(data)

    def matches(self) -> Iterator[StorePath]:
        """The objects that it, as a pattern, stands for; their folders are listed for later.

        Raises:
            OSError: the store refuses, or does not answer.
        """
        found = [StorePath(self.parts[0], key) for key in self.service.match(self.key)]
        list_ahead(found)
        return iter(found)

    def _info(self) -> ObjectInfo | None:
        try:
            return self.service.info(self.key)
        except FileNotFoundError:
            return None


def list_ahead(paths: Iterable[Path]) -> None:
    """List each folder of which many objects will be asked about: one request instead of many.

    In a folder that cannot be listed, each object is asked about by itself.
    """
    counts: dict[StorePath, int] = {}
    for path in paths:
        if isinstance(path, StorePath):
            counts[path.parent] = counts.get(path.parent, 0) + 1
    for folder, count in counts.items():
        if count >= _WORTH_A_LISTING:
            folder.service.list_quietly(folder.key)
