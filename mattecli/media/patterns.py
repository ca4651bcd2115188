"""Names with wildcards, and the real names of folders, here and in stores."""

from __future__ import annotations

import glob
import os
import re
from pathlib import Path

from mattecli.media.stores.path import StorePath

__all__ = ["has_wildcards", "matches_of", "plain_start", "real_name"]

_MAGIC = re.compile(r"[*?[]")


def has_wildcards(name: str) -> bool:
    """Whether a name, or part of one, has wildcards."""
    return _MAGIC.search(name) is not None


def real_name(folder: Path) -> str:
    """A folder's name without links and detours: one name, by whatever path it was reached."""
    return str(folder) if isinstance(folder, StorePath) else os.path.realpath(folder)


def matches_of(pattern: Path) -> list[Path]:
    """What a pattern stands for, in any order."""
    if isinstance(pattern, StorePath):
        return list(pattern.matches())
    return [Path(match) for match in glob.glob(str(pattern), recursive=True)]  # noqa: PTH207 - may be absolute, files in **


def plain_start(pattern: Path) -> Path:
    """The folder that a pattern's wildcards start in."""
    parts = pattern.parts
    magic = next(index for index, part in enumerate(parts) if has_wildcards(part))
    return type(pattern)(*parts[:magic])
