"""Paths that the user lists in a file or on standard input (``--files-from``)."""

from __future__ import annotations

import codecs
import errno
import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from mattecli.errors import UsageError
from mattecli.media.stores.path import StorePath, list_ahead
from mattecli.media.stores.place import as_path

__all__ = ["STDIN", "listed_paths", "require_names"]

STDIN = "-"
"""The name that stands for standard input."""


def require_names(names: Sequence[str]) -> None:
    """Refuse arguments that can be no names of files.

    Raises:
        UsageError: one is empty or holds a NUL byte.
    """
    if any("\0" in name for name in names):
        raise UsageError("a name holds a NUL byte", remedy="check the names")
    if "" in names:
        raise UsageError("an input is empty", remedy="give a file, or . for the current folder")


def listed_paths(
    source: str | Path | None,
    named: Sequence[str],
    *,
    null_separated: bool = False,
    stdin: BinaryIO | None = None,
) -> list[Path]:
    """What a list of files names, in its order; nothing where there is no list.

    Args:
        source: the file that holds the list, or ``-`` for standard input.
        named: the inputs that were given beside the list.
        null_separated: names end in NUL instead of a newline.
        stdin: read instead of the process's standard input.

    Raises:
        UsageError: the list cannot be read or makes no sense, or standard input would have to be
            both the list and an input.
    """
    if source is None:
        return []
    if source == STDIN and STDIN in named:
        raise UsageError(
            "standard input cannot be both an input and the list of files",
            remedy="give the list as a file",
        )
    data = (stdin or sys.stdin.buffer).read() if source == STDIN else _content(as_path(source))
    names = _names(data, null_separated)
    if any("\0" in name for name in names):
        raise UsageError("a name holds a NUL byte", remedy="was -0 forgotten?")
    paths = [as_path(name) for name in names]
    list_ahead(paths)
    return paths


def _names(data: bytes, null_separated: bool) -> list[str]:
    """The names in a list, without empty ones."""
    if null_separated:
        lines = data.split(b"\0")
    else:
        text = data.removeprefix(codecs.BOM_UTF8)
        lines = [line.removesuffix(b"\r") for line in text.split(b"\n")]
    return [os.fsdecode(line) for line in lines if line]


def _content(path: Path) -> bytes:
    """All bytes of a file or pipe; a device is refused, since it may have no end."""
    try:
        if isinstance(path, StorePath):
            return path.read_bytes()
        with path.open("rb") as stream:
            if stat.S_ISCHR(os.fstat(stream.fileno()).st_mode):
                raise OSError(errno.EINVAL, "it is a device, not a file")
            return stream.read()
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"the list of files cannot be read ({cause})", path=path) from error
