"""Which inputs are outputs of an earlier run into the same folder, told by its journal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path

from mattecli.errors import UsageError
from mattecli.media.journal import FILE_NAME, Entry, Key, absolute, read_entries
from mattecli.media.sources import Source
from mattecli.media.stores.path import StorePath

__all__ = ["without_made"]

_SLACK = 2.0  # seconds: the journal's times are whole seconds


def without_made(
    sources: Sequence[Source], folder: Path, journal: Path | None, wanted: Sequence[str]
) -> list[Source]:
    """The inputs without files that the journal says were made from another input of this run.

    Where a file of a wanted kind was made from an input, that file stays and the input goes. Inputs
    that the user named themselves always stay.

    Args:
        sources: inputs, in order.
        folder: where outputs go.
        journal: of the runs that made files; None: the folder's own.
        wanted: kinds of output that this command takes as inputs, most preferred first.
    """
    if isinstance(folder, StorePath) or not _reach_into(folder, sources):
        return list(sources)
    places = {absolute(source.path) for source in sources if source.is_found}
    try:
        entries = _last_of(places, journal or folder / FILE_NAME)
    except UsageError:  # said when it is opened for this run
        return list(sources)
    dropped: set[str] = set()
    for entry in entries:
        if entry.status == "done":
            there = {path: kind for path, kind in entry.outputs.items() if path in places}
            outputs = {path: kind for path, kind in there.items() if _is_of(path, entry)}
            meant = [path for own in wanted for path, kind in outputs.items() if kind == own][:1]
            dropped |= {entry.input, *outputs} - set(meant or [entry.input])
    return [
        source for source in sources if not (source.is_found and absolute(source.path) in dropped)
    ]


def _last_of(inputs: Collection[str], journal: Path) -> list[Entry]:
    """The last entries of some inputs that ended, one for each first output."""
    last: dict[Key, Entry] = {}
    for entry in read_entries(journal):
        if entry is not None and entry.status != "begun" and entry.input in inputs:
            last[entry.input, entry.output] = entry
    return [*last.values()]


def _reach_into(folder: Path, sources: Sequence[Source]) -> bool:
    """Whether found inputs lie in or below a folder."""
    top = Path(absolute(folder))
    parents = {source.path.parent for source in sources if source.is_found}
    places = [Path(absolute(parent)) for parent in parents]
    return any(top == place or top in place.parents for place in places)


def _is_of(path: str, entry: Entry) -> bool:
    """Whether a file is still the one that the run wrote, and no later one of its name."""
    try:
        left = datetime.fromisoformat(entry.time).timestamp()
        return Path(path).stat().st_mtime <= left + _SLACK
    except (OSError, ValueError):
        return False
