"""What lies under a name, whoever made the name up: too long or forbidden ones lead nowhere."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["is_folder", "is_ordinary_file", "is_there"]

# pathlib's own raise for names that are too long and for folders that may not be entered.


def is_folder(path: Path) -> bool:
    """Whether it is a folder, or a link to one."""
    return os.path.isdir(path)  # noqa: PTH112


def is_ordinary_file(path: Path) -> bool:
    """Whether it is a file, or a link to one."""
    return os.path.isfile(path)  # noqa: PTH113


def is_there(path: Path) -> bool:
    """Whether there is anything; a link that leads nowhere is nothing."""
    return os.path.exists(path)  # noqa: PTH110
