"""Which inputs are outputs of an earlier run into the same folder, told by its journal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from mattecli.errors import UsageError
from mattecli.media.journal import FILE_NAME, Entry, absolute, read_entries
from mattecli.media.sources import Source
from mattecli.media.stores.path import StorePath

__all__ = ["without_made"]

_SLACK = 2.0  # seconds: the journal's times are whole ones


def without_made(
    sources: Sequence[Source], folder: Path, journal: Path | None, wanted: Sequence[str]
) -> list[Source]:
    """Inputs without what was made, whatever it is called, from another one of them.

    What was named itself stays.

    Args:
        sources: inputs, in order.
        folder: where outputs go.
        journal: of the runs that made them; None: that of the folder.
        wanted: kinds of output that are meant instead of what they were made from, best first.
    """
    if isinstance(folder, StorePath) or not _reach_into(folder, sources):
        return list(sources)
    places = {absolute(source.path) for source in sources if source.is_found}
    try:
        entries = read_entries(journal or folder / FILE_NAME).last.values()
    except UsageError:  # whoever writes to it will say so
        return list(sources)
    dropped: set[str] = set()
    for entry in entries:
        if entry.status == "done" and entry.input in places:
            there = {path: kind for path, kind in entry.outputs.items() if path in places}
            outputs = {path: kind for path, kind in there.items() if _is_of(path, entry)}
            meant = [path for own in wanted for path, kind in outputs.items() if kind == own][:1]
            dropped |= {entry.input, *outputs} - set(meant or [entry.input])
    return [
        source for source in sources if not (source.is_found and absolute(source.path) in dropped)
    ]


def _reach_into(folder: Path, sources: Sequence[Source]) -> bool:
    """Whether inputs that were found lie in a folder, or below it."""
    top = Path(absolute(folder))
    parents = {source.path.parent for source in sources if source.is_found}
    places = [Path(absolute(parent)) for parent in parents]
    return any(top == place or top in place.parents for place in places)


def _is_of(path: str, entry: Entry) -> bool:
    """Whether a file is still the one that a run left, and nobody's that took its name later."""
    try:
        left = datetime.fromisoformat(entry.time).timestamp()
        return Path(path).stat().st_mtime <= left + _SLACK
    except (OSError, ValueError):
        return False
