"""Which inputs are outputs of earlier runs: their folders' journals and their names tell."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from mattecli.errors import UsageError
from mattecli.media.earlier import (
    COMPOSITES,
    MATTES,
    TRIMAPS,
    LeftOut,
    origins,
    stem_with_suffix,
)
from mattecli.media.journal import FILE_NAME, Key, Place, RealPlaces, absolute, read_entries
from mattecli.media.sources import Source
from mattecli.media.stores.path import StorePath
from mattecli.media.stores.place import as_path

__all__ = ["without_made"]

_SLACK = 2.0  # seconds: the journal's times are whole seconds
_FOLDERS = frozenset({MATTES, TRIMAPS, COMPOSITES})


class _Made(NamedTuple):
    """What a journal says of an output: of what it was made, of which kind, and when."""

    entry: Key
    kind: str
    ended: str


def without_made(
    sources: Sequence[Source],
    folder: Path,
    journal: str | None,
    wanted: Sequence[str],
    left_out: LeftOut,
) -> list[Source]:
    """The inputs without files that earlier runs made.

    In a folder of outputs that lies inside one that the user named, that is what its journal tells,
    and what is named as an output of another input of this run. In one that the user named
    itself, and in this run's, it is what the journal says was made of another input of this run.

    Where a file of a wanted kind was made from an input, that file stays and the input goes. Inputs
    that the user named themselves always stay.

    Args:
        sources: inputs, in order.
        folder: where outputs go.
        journal: what the user said of it; by default it is the folder's own.
        wanted: kinds of output that this command takes as inputs, most preferred first.
        left_out: is told of outputs in whose place no other is taken.
    """
    around = _Surroundings(sources)
    journals = dict(around.journals)
    if not isinstance(folder, StorePath) and _reach_into(folder, sources):
        is_named = journal not in (None, "none")
        journals.setdefault(as_path(str(journal)) if is_named else folder / FILE_NAME, False)
    if not (journals or around.inside):
        return list(sources)
    real = RealPlaces()
    places = {real.of(absolute(source.path)): source for source in sources if source.is_found}
    dropped = _told_by_journals(journals, places, real, wanted)
    dropped |= dict.fromkeys(_told_by_names(places, around, wanted), True)
    kept: list[Source] = []
    for source in sources:
        place = real.of(absolute(source.path)) if source.is_found else None
        if place not in dropped:
            kept.append(source)
        elif dropped[place]:
            left_out.add(source.path.name)
    return kept


class _Surroundings:
    """The folders of outputs around found inputs; only folders are looked at, not files.

    Attributes:
        journals: in and above the inputs' folders, as far as the user named them; whether each lies
            inside a folder that the user named.
        inside: the inputs' folders that are, or lie below, folders of outputs inside one that the
            user named.
    """

    def __init__(self, sources: Iterable[Source]) -> None:
        self.journals: dict[Path, bool] = {}
        self.inside: set[Path] = set()
        for parent, depth in {
            (source.path.parent, len(source.folder.parts)) for source in sources if source.is_found
        }:
            for level, folder in enumerate([parent, *parent.parents][: depth + 1]):
                journal = folder / FILE_NAME
                has_journal = not isinstance(folder, StorePath) and os.path.lexists(journal)
                if has_journal:
                    self.journals[journal] = level < depth and self.journals.get(journal, True)
                if level < depth and (has_journal or folder.name in _FOLDERS):
                    self.inside.add(parent)


def _told_by_journals(
    journals: Mapping[Path, bool],
    places: Mapping[Place, Source],
    real: RealPlaces,
    wanted: Sequence[str],
) -> dict[Place, bool]:
    """The inputs that go: True for outputs in whose place no other is taken."""
    gone: dict[Place, bool] = {}
    for journal, is_inside in journals.items():
        groups: defaultdict[Key, dict[Place, str]] = defaultdict(dict)
        for place, made in _made_among(places, journal, real).items():
            if _is_of(places[place].path, made):
                groups[made.entry][place] = made.kind
        for (source, _), outputs in groups.items():
            origin = real.of(source)
            if not (is_inside or origin in places):
                continue
            meant = next(
                (at for own in wanted for at, kind in outputs.items() if kind == own), None
            )
            gone |= {place: meant is None for place in outputs if place != meant}
            if meant is not None:
                gone[origin] = False
    return gone


def _made_among(places: Collection[Place], journal: Path, real: RealPlaces) -> dict[Place, _Made]:
    """What a journal says of those of some files that are outputs."""
    made: dict[Place, _Made] = {}
    with suppress(UsageError):  # said when it is opened for a run
        for entry in read_entries(journal):
            if entry is not None and entry.status == "done":
                for output, kind in entry.outputs.items():
                    place = real.of(output)
                    if place in places:
                        made[place] = _Made((entry.input, entry.output), kind, entry.time)
    return made


def _told_by_names(
    places: Mapping[Place, Source], around: _Surroundings, wanted: Sequence[str]
) -> Iterator[Place]:
    """Inputs in folders of outputs that are named as outputs of inputs elsewhere."""
    if not around.inside:
        return
    names: set[str] = set()
    for source in places.values():
        if source.path.parent not in around.inside:
            names |= {source.path.stem, stem_with_suffix(source.path.name)}
    for place, source in places.items():
        stem = source.path.stem
        is_output = not names.isdisjoint(origins(stem)) and stem.rpartition("-")[2] not in wanted
        if is_output and source.path.parent in around.inside:
            yield place


def _reach_into(folder: Path, sources: Sequence[Source]) -> bool:
    """Whether found inputs lie in or below a folder."""
    top = Path(absolute(folder))
    parents = {source.path.parent for source in sources if source.is_found}
    places = [Path(absolute(parent)) for parent in parents]
    return any(top == place or top in place.parents for place in places)


def _is_of(path: Path, made: _Made) -> bool:
    """Whether a file is still the one that the run wrote, and no later one of its name."""
    try:
        return path.stat().st_mtime <= datetime.fromisoformat(made.ended).timestamp() + _SLACK
    except (OSError, ValueError):
        return False
