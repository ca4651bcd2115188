"""What a text or path means: a file here, or an object in a store.

Everything that the user names comes through ``as_path``; from then on both are paths.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from mattecli.errors import UsageError
from mattecli.media.stores.path import StorePath
from mattecli.media.stores.schemes import SCHEMES

__all__ = ["as_path", "is_stored"]

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)
# A URL after pathlib collapsed its double slash.
_AS_PATH = re.compile(rf"({'|'.join(SCHEMES)}|file):/+(.*)", re.DOTALL | re.IGNORECASE)


def as_path(given: str | os.PathLike[str]) -> Path:
    """The path that a user's text stands for; ``file://`` URLs are files here.

    Args:
        given: a file's path, or the URL of an object or of what objects' names begin with.

    Raises:
        UsageError: a URL of another kind, or one without a bucket.
    """
    if isinstance(given, StorePath):
        return given
    text = os.fspath(given)
    match = (_URL if isinstance(given, str) else _AS_PATH).fullmatch(text)
    if match is None or os.path.lexists(text):
        return Path(given)
    scheme, rest = match[1].lower(), match[2]
    if scheme == "file":
        return Path(unquote("/" + rest.removeprefix("localhost/").lstrip("/")))
    if scheme not in SCHEMES:
        known = ", ".join(f"{name}://" for name in (*SCHEMES, "file"))
        raise UsageError(
            f"{scheme}:// is no place that is read or written",
            path=text,
            remedy=f"give a file or folder, or one of {known}",
        )
    if not rest.strip("/"):
        raise UsageError(
            "it names no bucket", path=text, remedy=f"try {scheme}://bucket/folder/photo.jpg"
        )
    return StorePath(f"{scheme}:", rest)


def is_stored(path: object) -> bool:
    """Whether a path leads to an object store."""
    return isinstance(path, StorePath)
