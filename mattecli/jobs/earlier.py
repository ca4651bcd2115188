"""Which inputs are outputs of an earlier run into the same folder, told by its journal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mattecli.errors import UsageError
from mattecli.media.journal import FILE_NAME, read_entries
from mattecli.media.sources import Source
from mattecli.media.stores.path import StorePath

__all__ = ["without_made"]


def without_made(
    sources: Sequence[Source], folder: Path, journal: Path | None, wanted: Sequence[str]
) -> list[Source]:
    """Inputs without what was made, whatever it is called, from another one of them.

    Args:
        sources: inputs, in order.
        folder: where outputs go.
        journal: of the runs that made them; None: that of the folder.
        wanted: kinds of output that are meant instead of what they were made from, best first.
    """
    places = {_absolute(source.path): source for source in sources if not source.is_stdin}
    top = Path(_absolute(folder))
    if isinstance(folder, StorePath) or not any(top in Path(place).parents for place in places):
        return list(sources)
    try:
        entries = read_entries(journal or folder / FILE_NAME).last.values()
    except UsageError:  # whoever writes to it will say so
        return list(sources)
    dropped: set[str] = set()
    for entry in entries:
        if entry.status == "done" and entry.input in places:
            outputs = {path: kind for path, kind in entry.outputs.items() if path in places}
            meant = [path for own in wanted for path, kind in outputs.items() if kind == own][:1]
            dropped |= {entry.input, *outputs} - set(meant or [entry.input])
    return [source for source in sources if _absolute(source.path) not in dropped]


def _absolute(path: Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - links stay what the user called them
