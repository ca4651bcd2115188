"""No output takes the place of a file that is read."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from mattecli.errors import UsageError, shown_path
from mattecli.media.stores.path import StorePath

__all__ = ["refuse_overwriting"]


def refuse_overwriting(plans: Iterable[Mapping[str, Path | None]], read: Iterable[Path]) -> None:
    """Fail if an output would take the place of a file that is read, even by another name.

    Raises:
        UsageError: names both.
    """
    inputs = {_identity(path): path for path in read}
    inputs.pop(None, None)
    for target in (target for plan in plans for target in plan.values() if target is not None):
        same = inputs.get(_identity(target))
        if same is not None:
            raise UsageError(
                f"the output would overwrite the input {shown_path(same)}",
                path=target,
                remedy="choose another -o or --name",
            )


def _identity(path: Path) -> tuple[int, int] | str | None:
    """What identifies a file under all its names (links, case, detours); None for no file."""
    if isinstance(path, StorePath):
        return str(path)
    with suppress(OSError, ValueError):
        status = path.stat()
        return status.st_dev, status.st_ino
    with suppress(OSError, ValueError):
        if ".." in path.parts:  # perhaps through a folder that will be made
            status = Path(os.path.realpath(path)).stat()
            return status.st_dev, status.st_ino
    return None
