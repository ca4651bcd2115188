"""Names of outputs, settled before anything runs: distinct, predictable, never an input's."""

from __future__ import annotations

import hashlib
import os
import string
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from mattecli.errors import UsageError, shown_path
from mattecli.media.earlier import stem_with_suffix
from mattecli.media.formats import EXTENSIONS, OTHERS, writable_format
from mattecli.media.overwriting import refuse_overwriting
from mattecli.media.paths import is_folder, is_there
from mattecli.media.sources import Source
from mattecli.media.stores.place import as_path
from mattecli.settings.common import DEFAULT_TEMPLATE

__all__ = ["names_a_file", "plan_outputs", "require_one"]

_FIELDS = ("dir", "stem", "name", "kind", "ext", "index")
_STDOUT = "-"
_MAX_NAME_BYTES = 255
_CUT_BYTES = 6
_MAX_ATTEMPTS = 6
_LONGEST_SPEC = 4


def plan_outputs(
    sources: Sequence[Source],
    kinds: Sequence[str],
    out: str | Path,
    *,
    template: str = DEFAULT_TEMPLATE,
    ext: str = ".png",
    protected: Iterable[Path] = (),
) -> list[dict[str, Path | None]]:
    """Where each kind of output of each source goes.

    Args:
        sources: the inputs, all of the run: names depend on nothing else.
        kinds: kinds of output, each once.
        out: ``-`` for standard output; a file, if it has an image suffix and is not a folder that
            exists or ends in ``/``; else a folder.
        template: how a file in the folder is named. Fields: ``{dir}`` the source's place below its
            input folder, ``{stem}`` and ``{name}`` its name without and with suffix, ``{kind}``,
            ``{ext}``, ``{index}`` its number from 1, as in ``{index:04}``. A name that does not end
            in a suffix of the outputs' format gets ``ext``.
        ext: suffix of the outputs, with its dot.
        protected: further files that are read and must not be written.

    Returns:
        For each source its outputs by kind, None for standard output; empty where the source has
        nothing to read.

    Raises:
        UsageError: the template makes no sense or leads out of the folder; one place was given for
            several outputs; an output would overwrite an input.
    """
    readable = [source for source in sources if source.error is None]
    if os.fspath(out) == _STDOUT or names_a_file(out):
        plans = _in_one_place(readable, kinds, out)
    else:
        plans = _in_folder(readable, _Rule(template, tuple(kinds), ext), as_path(out))
    given = [source.path for source in readable if not source.is_stdin]
    refuse_overwriting(plans, [*given, *protected])
    remaining = iter(plans)
    return [{} if source.error is not None else next(remaining) for source in sources]


def names_a_file(out: str | Path) -> bool:
    """Whether ``-o`` names a file rather than a folder.

    Raises:
        UsageError: it is a file of a kind that cannot be written, or no image's name.
    """
    text = os.fspath(out)
    path = as_path(out)
    if is_folder(path) or text.endswith("/"):
        return False
    if path.suffix.lower() in EXTENSIONS.keys() | OTHERS:
        _require_writable(path)
        return True
    if is_there(path):
        raise UsageError("it is a file, not a folder", path=path, remedy="choose another -o")
    return False


def _require_writable(path: Path) -> None:
    try:
        writable_format(path.suffix)
    except UsageError as error:
        remedy = f"{error.remedy}; or end a folder's name with /"
        raise UsageError(error.cause, path=path, remedy=remedy) from error


def _in_one_place(
    sources: Sequence[Source], kinds: Sequence[str], out: str | Path
) -> list[dict[str, Path | None]]:
    require_one(sources, kinds, out, "picture")
    target = None if os.fspath(out) == _STDOUT else as_path(out)
    return [dict.fromkeys(kinds, target) for _ in sources]


def _in_folder(
    sources: Sequence[Source], rule: _Rule, folder: Path
) -> list[dict[str, Path | None]]:
    _check_template(rule.template)
    planned = _distinct(sources, rule)
    return [{kind: folder.joinpath(*parts) for kind, parts in plan.items()} for plan in planned]


def require_one(
    sources: Sequence[Source], kinds: Sequence[str], out: str | Path, what: str
) -> None:
    """Fail if one place is to take several outputs.

    Args:
        sources: the inputs.
        kinds: kinds of output of each.
        out: the place: ``-`` or a file.
        what: that it takes one of, for the message: picture, video.

    Raises:
        UsageError: names the place.
    """
    if len(sources) > 1 or len(kinds) > 1:
        place = "standard output" if os.fspath(out) == _STDOUT else shown_path(out)
        count = f"there {'are' if len(sources) > 1 else 'is'} {_counted(len(sources), 'input')}"
        raise UsageError(
            f"{place} takes one {what}, {count} and {_counted(len(kinds), 'kind')} of output"
            f" ({', '.join(kinds)})",
            remedy="give a folder as -o, or write one kind of one input",
        )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _check_template(template: str) -> None:
    try:
        pieces = list(string.Formatter().parse(template))
        for _, field, spec, conversion in pieces:
            if field is not None and (field not in _FIELDS or conversion or "{" in (spec or "")):
                raise ValueError(f"{{{field}}} is no field")
            if len(spec or "") > _LONGEST_SPEC:  # of a width that takes for ever
                raise ValueError(f"{spec} is too much")
        sample = template.format_map({**dict.fromkeys(_FIELDS, "x"), "index": 1})
    except (ValueError, IndexError, KeyError) as error:
        known = " ".join(f"{{{field}}}" for field in _FIELDS)
        raise UsageError(
            f"the name template {template!r} makes no sense ({error})", remedy=f"fields: {known}"
        ) from error
    parts = sample.split("/")
    if not parts[-1] or not parts[0] or ".." in parts or "\0" in sample:
        raise UsageError(
            f"the name template {template!r} leads out of the output folder or names a folder",
            remedy=f"try {DEFAULT_TEMPLATE}",
        )


@dataclass(frozen=True, slots=True)
class _Rule:
    """How the outputs of one source are named."""

    template: str
    kinds: tuple[str, ...]
    ext: str

    def outputs(self, source: Source, index: int, level: int) -> dict[str, tuple[str, ...]]:
        """For each kind the parts of a path below the output folder.

        Args:
            source: the source.
            index: its number.
            level: how precisely it is to be named.
        """
        fields = _fields(source, level)
        return {
            kind: self._parts({**fields, "ext": self.ext, "index": index, "kind": kind})
            for kind in self.kinds
        }

    def _parts(self, fields: Mapping[str, str | int]) -> tuple[str, ...]:
        """The parts of the path; a name that would be too long is cut as far as is needed."""
        stem, name = str(fields["stem"]), str(fields["name"])
        for keep in range(_MAX_NAME_BYTES, 0, -_CUT_BYTES):
            cut = {"stem": _shortened(stem, keep), "name": _shortened(name, keep)}
            path = self._ended(self.template.format_map({**fields, **cut}))
            parts = tuple(part for part in path.split("/") if part not in ("", "."))
            if not parts or ".." in parts:
                break
            if all(len(os.fsencode(part)) <= _MAX_NAME_BYTES for part in parts):
                return parts
        raise UsageError(
            f"the name template {self.template!r} gives no file name for {shown_path(name)}",
            remedy=f"try {DEFAULT_TEMPLATE}",
        )

    def _ended(self, path: str) -> str:
        row = EXTENSIONS.get(self.ext)
        known = (self.ext,) if row is None else row.suffixes
        is_whole = not path or path.lower().endswith((*known, "/"))
        return path if is_whole else path + self.ext


def _distinct(sources: Sequence[Source], rule: _Rule) -> list[dict[str, tuple[str, ...]]]:
    """For each source and kind the parts of a path below the output folder, no two alike.

    Sources whose outputs would share a name (also where only case differs) are all named more
    precisely: by their suffix (``a_jpg`` and ``a_png``), and where that is not enough by a digest
    of their path.
    """
    levels = [0] * len(sources)
    for _ in range(_MAX_ATTEMPTS):
        plans = [
            rule.outputs(source, index, level)
            for index, (source, level) in enumerate(zip(sources, levels, strict=True), 1)
        ]
        owners = defaultdict(list)
        for number, plan in enumerate(plans):
            for parts in plan.values():
                owners[_folded(parts)].append(number)
        clashing = {number for group in owners.values() if len(group) > 1 for number in group}
        if not clashing:
            return plans
        for number in clashing:
            levels[number] += 1
    raise UsageError(
        f"the name template {rule.template!r} gives one name to several outputs",
        remedy="use {stem} or {index}, and {kind}",
    )


def _fields(source: Source, level: int) -> dict[str, str]:
    """The fields that tell sources apart; the higher the level, the more precisely."""
    name = source.name
    stem = stem_with_suffix(name) if level >= 1 else Path(name).stem
    if level >= 2:
        mark = _digest(f"{level} {source.path}")
        stem, name = f"{stem}_{mark}", f"{name}_{mark}"
    if source.label:
        plain = PurePath(name)
        stem, name = f"{stem}-{source.label}", f"{plain.stem}-{source.label}{plain.suffix}"
    folder = source.folder.as_posix()
    return {
        "dir": "" if folder == "." else folder,
        "stem": _harmless(stem),
        "name": _harmless(name),
    }


def _harmless(name: str) -> str:
    """A name that is no step to another folder (``...jpg`` has the stem ``..``)."""
    return name if name.strip(".") else "_" * len(name)


def _shortened(text: str, keep: int) -> str:
    """The text, or its start and a digest of the whole: ``keep`` bytes, or 9 if those are more."""
    if len(os.fsencode(text)) <= keep:
        return text
    end = f"~{_digest(text)}"
    room = max(0, keep - len(end))
    start = text[:room]
    while len(os.fsencode(start)) > room:  # some characters take several bytes
        start = start[:-1]
    return start + end


def _digest(text: str) -> str:
    return hashlib.blake2b(os.fsencode(text), digest_size=4).hexdigest()


def _folded(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The path as file systems see it that ignore case or how accents are composed."""
    return tuple(unicodedata.normalize("NFC", part).casefold() for part in parts)
