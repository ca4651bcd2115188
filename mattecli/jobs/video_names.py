"""What the outputs of videos in a folder are called; those of numbered images hold a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mattecli.errors import UsageError
from mattecli.media.formats import EXTENSIONS
from mattecli.media.names import plan_outputs
from mattecli.media.sources import Source
from mattecli.media.video.containers import CONTAINERS
from mattecli.media.video.numbered import timecodes_path
from mattecli.media.video.sequence import holds_number, is_pattern, stem_of

__all__ = ["format_named", "plan_in_folder"]

_NUMBER = "%06d"
_EXT = "{ext}"


def format_named(template: str, wanted: str | None) -> str | None:
    """The container, or image format, that was asked for or that ``--name`` ends in, or None.

    Raises:
        UsageError: the two differ.
    """
    suffix = _suffix_of(template)
    if not suffix:
        return wanted
    plain = suffix.removeprefix(".")
    named = plain if plain in CONTAINERS else EXTENSIONS[suffix].name
    if wanted not in (None, named):
        raise UsageError(
            f"--format {wanted} contradicts --name {template!r}", remedy="end the name in {ext}"
        )
    return named


def plan_in_folder(
    sources: Sequence[Source], formats: Mapping[str, str], out: str, template: str
) -> list[dict[str, Path | None]]:
    """Where each kind of output of each source goes, as ``plan_outputs``.

    Args:
        sources: the inputs.
        formats: container, or image format, of each kind.
        out: the folder.
        template: ``--name``.

    Raises:
        UsageError: the template makes no sense, or gives numbered images no names of their own.
    """
    plans: list[dict[str, Path | None]] = [{} for _ in sources]
    named = [_as_file(source) for source in sources]
    for name in dict.fromkeys(formats.values()):
        kinds = [kind for kind, own in formats.items() if own == name]
        if name in CONTAINERS:
            own_template, ext = template, f".{name}"
        else:
            own_template, ext = _numbering(template, name)
        found = plan_outputs(named, kinds, f"{out}/", template=own_template, ext=ext)
        if name not in CONTAINERS:
            _check_numbered([path for plan in found for path in plan.values() if path], template)
        for plan, part in zip(plans, found, strict=True):
            plan.update(part)
    return plans


def _numbering(template: str, format: str) -> tuple[str, str]:
    """A template that names numbered images, and what ``{ext}`` stands for in it.

    A name with a number is taken as it is, and may lack its suffix. Any other names a folder for
    the images, unless it ends in their suffix, before which the number then comes.
    """
    *folders, last = template.split("/")
    if any(holds_number(folder) for folder in folders):
        raise UsageError(
            f"--name {template!r} has a number in a folder's name",
            remedy="put it behind the last /, as in {stem}/{kind}/%06d{ext}",
        )
    if _EXT in template.removesuffix(_EXT):
        raise _unnumbered(template)
    suffix, ext = _suffix_of(template), f".{format}"
    if holds_number(last):
        return template, ext
    if suffix:
        return f"{template[: -len(suffix)]}-{_NUMBER}{template[-len(suffix) :]}", ext
    return template.removesuffix(_EXT) + _EXT, f"/{_NUMBER}{ext}"


def _suffix_of(template: str) -> str:
    """The suffix of a video or image that a template ends in, lower case with its dot, or ""."""
    suffix = Path(template).suffix.lower()
    known = suffix in EXTENSIONS or suffix.removeprefix(".") in CONTAINERS
    return suffix if suffix and known else ""


def _check_numbered(patterns: Sequence[Path], template: str) -> None:
    """Each names many images, and has a list of times of its own."""
    for path in patterns:
        if not is_pattern(path):
            raise _unnumbered(template)
    if len({timecodes_path(path) for path in patterns}) < len(patterns):
        raise UsageError(
            f"--name {template!r} gives one list of times to several outputs",
            remedy="use {stem} and {kind} before the number",
        )


def _unnumbered(template: str) -> UsageError:
    return UsageError(
        f"--name {template!r} does not give each image a number and its suffix",
        remedy="try {dir}/{stem}-{kind}/%06d{ext}",
    )


def _as_file(source: Source) -> Source:
    """A sequence is called after its folder, or after its name without the number."""
    if not is_pattern(source.path):
        return source
    stem = stem_of(source.path) or source.path.parent.name or "frames"
    return replace(source, path=source.path.with_name(stem))
