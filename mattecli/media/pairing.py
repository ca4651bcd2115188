"""Which trimap, alpha, background or photo belongs to which input."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from types import MappingProxyType

from mattecli.errors import PairingError, UsageError, shown_path
from mattecli.media.earlier import KINDS
from mattecli.media.formats import EXTENSIONS
from mattecli.media.paths import is_folder, is_there
from mattecli.media.sources import Source
from mattecli.media.walk import visible_entries

__all__ = ["pair_companions"]

_ENDINGS = MappingProxyType(
    {
        "trimap": ("trimap",),
        "alpha": ("alpha", "matte", "mask"),
        "mask": ("mask", "matte", "alpha"),
        "background": ("background", "bgr", "back"),
        "segmentation": ("segmentation", "mask", "masksDL"),
    }
)
"""What follows the photo's stem in names of files of a role: ``photo-trimap``, ``photo_back``."""

_OUTPUT = re.compile(rf"(.+)[-_](?:{'|'.join(KINDS)})", re.DOTALL)


def pair_companions(
    sources: Sequence[Source], companion: Path, what: str
) -> list[Path | PairingError]:
    """The companion of each source.

    One file is the companion of all. In a folder it is the image that is called like the source:
    ``<stem>-<what>``, ``<stem>_<what>``, else ``<stem>``; and where the source is an output
    itself (``photo-trimap``), like the photo it was made from; last, what was made from the photo's
    matte, mask or foreground (``photo-alpha-trimap``). What lies in a subfolder of a
    recursive input is looked for in the subfolder of that name. No source is its own companion.

    Args:
        sources: the inputs.
        companion: a file, or a folder.
        what: the companion's role, for names and messages: trimap, alpha, background ...

    Returns:
        For each source a path, or the error why there is none or not just one.

    Raises:
        UsageError: ``companion`` is not there, or the folder cannot be read.
    """
    if is_there(companion) and not is_folder(companion):  # also a pipe
        return [companion] * len(sources)
    if not is_folder(companion):
        raise UsageError(f"there is no such {what}", path=companion, remedy="check the name")
    listings: dict[PurePath, Mapping[str, list[Path]]] = {}
    found: list[Path | PairingError] = []
    for source in sources:
        folder = source.folder
        if folder not in listings:
            listings[folder] = _by_stem(companion / folder)
        found.append(_companion(source, listings[folder], companion / folder, what))
    return found


def _by_stem(folder: Path) -> Mapping[str, list[Path]]:
    """A folder's images by stem; empty where there is no such folder."""
    stems: dict[str, list[Path]] = defaultdict(list)
    try:
        entries = visible_entries(folder)
    except OSError:
        return stems
    for entry in entries:
        if entry.suffix.lower() in EXTENSIONS:
            stems[_composed(entry.stem)].append(entry)
    return stems


def _composed(stem: str) -> str:
    """The stem with accents composed: some systems store names decomposed."""
    return unicodedata.normalize("NFC", stem)


def _companion(
    source: Source, stems: Mapping[str, list[Path]], folder: Path, what: str
) -> Path | PairingError:
    stem = _composed(Path(source.name).stem)
    for names in _names(stem, what):
        candidates = [path for name in names for path in stems.get(name, ())]
        candidates = [path for path in candidates if not _is_same(path, source.path)]
        if len(candidates) == 1:
            return candidates[0]
        if candidates:
            listed = ", ".join(shown_path(path.name) for path in candidates)
            return PairingError(
                f"several files could be its {what}: {listed}",
                path=source.path,
                remedy=f"keep one of them in {shown_path(folder)}",
            )
    return PairingError(
        f"there is no {what} for it in {shown_path(folder)}",
        path=source.path,
        remedy=f"add {shown_path(stem)}-{what}.png or {shown_path(stem)}.png",
    )


def _names(stem: str, what: str) -> Iterator[list[str]]:
    """Stems that a companion may have, best ones first; those of one list are equally good."""
    endings = _ENDINGS.get(what, (what,))
    output = _OUTPUT.fullmatch(stem)
    for base in (stem, output[1]) if output else (stem,):
        yield [f"{base}{mark}{ending}" for ending in endings for mark in "-_"]
        yield [base]
    for base in (stem, output[1]) if output else (stem,):
        yield from ([f"{base}-{kind}-{what}"] for kind in ("alpha", "mask", "foreground"))


def _is_same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except (OSError, ValueError):
        return False
