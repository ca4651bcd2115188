"""What is to be done with each input, settled before anything runs."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from mattecli.errors import ImageWriteError, MattecliError, UsageError
from mattecli.jobs.earlier import without_made
from mattecli.jobs.existing import Look, settle_existing
from mattecli.jobs.task import Task
from mattecli.media.earlier import LeftOut, outputs_of_kind
from mattecli.media.formats import EXTENSIONS, Format, writable_format
from mattecli.media.names import names_a_file, plan_outputs
from mattecli.media.overwriting import refuse_overwriting
from mattecli.media.pairing import pair_companions
from mattecli.media.paths import is_ordinary_file, is_there
from mattecli.media.patterns import has_wildcards
from mattecli.media.soundness import is_sound_image
from mattecli.media.sources import InputRequest, Source, find_inputs
from mattecli.media.stores.path import list_ahead
from mattecli.media.stores.place import as_path, is_stored
from mattecli.settings import InputOptions, OutputOptions

__all__ = [
    "OutputRule",
    "asked_format",
    "files_read",
    "goes_to_one_place",
    "is_piped",
    "pair",
    "plan_tasks",
    "refuse_overwriting_companions",
    "shard_part",
]

S = TypeVar("S")
T = TypeVar("T", bound="Task")

_IMAGES = Look(
    is_made=is_there,
    is_sound=is_sound_image,
    first=lambda path: path if is_there(path) else None,
    error=ImageWriteError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRule:
    """What a job writes.

    Attributes:
        folder: where outputs go when the user says nothing.
        example: a command line that reads a pipe, for those who gave no input.
        kinds: outputs of each input.
        protected: further files that are read, so that no output may take their place.
        wanted: kinds of earlier mattecli outputs that this command takes as inputs, most preferred
            first; empty: outputs are skipped. With exactly one kind, other kinds are ignored in
            folders that hold it.
        labels: each input is used once with each of these, which tells the outputs apart.
    """

    folder: str
    example: str
    kinds: Sequence[str] = ()
    protected: Sequence[str | None] = ()
    wanted: tuple[str, ...] = ()
    labels: Sequence[str] = ()


def plan_tasks(
    make: type[T],
    source: InputOptions,
    target: OutputOptions,
    rule: OutputRule,
    note: Callable[[str], None],
) -> list[T]:
    """Find the inputs and name their outputs.

    Args:
        make: the job's own kind of task.
        source: where inputs come from.
        target: where outputs go.
        rule: what the job writes.
        note: is told of files that are no inputs because an earlier run made them.

    Raises:
        UsageError: no inputs, or outputs that make no sense.
    """
    left_out = LeftOut()
    sources = _sources(source, target, rule, left_out)
    if left_out.count:
        note(str(left_out))
    out = target.output
    if out is None:
        out = "-" if any(item.is_stdin for item in sources) else rule.folder + os.sep
    row = _format(target, out)
    if "trimap" in rule.kinds and row.name == "jpeg":
        raise UsageError("jpeg does not keep the three values of a trimap", remedy="use png")
    planned = plan_outputs(
        sources,
        rule.kinds,
        out,
        template=target.name,
        ext=row.suffixes[0],
        protected=[as_path(text) for text in rule.protected if text is not None],
    )
    root = None if out == "-" or names_a_file(out) else as_path(out)
    every = [
        make(source=item, outputs=outputs, format=row.name, root=root, place=place)
        for place, (item, outputs) in enumerate(zip(sources, planned, strict=True))
    ]
    # Cut out after all inputs were named, so that no two shards write the same name.
    tasks = shard_part(every, source.shard)
    if target.existing != "overwrite":
        list_ahead(path for task in tasks for path in task.outputs.values() if path is not None)
    for task in tasks:
        settle_existing(task, target.existing, _IMAGES)
    return tasks


def _sources(
    source: InputOptions, target: OutputOptions, rule: OutputRule, left_out: LeftOut
) -> list[Source]:
    """The inputs, without those that earlier runs made of others, once for each label."""
    sources = _found(source, target, rule, left_out)
    if len(rule.wanted) == 1:
        sources = outputs_of_kind(sources, rule.wanted[0])
    folder = as_path(target.output or rule.folder)
    sources = without_made(sources, folder, target.journal, rule.wanted, left_out)
    if not rule.labels:
        return sources
    return [replace(item, label=label) for label in rule.labels for item in sources]


def _format(target: OutputOptions, out: str) -> Format:
    """The format that was asked for, or that the outputs' names say, or PNG.

    Raises:
        UsageError: it cannot be written, or names in a folder say another than was asked for.
    """
    name = asked_format(target)
    asked = None if name is None else writable_format(name)
    if out == "-":
        return asked or writable_format("png")
    if names_a_file(out):
        ending = Path(out).suffix.lower()
        named = writable_format(ending) if ending in EXTENSIONS else None
        if asked is not None and named not in (None, asked):
            raise UsageError(
                f"--format {target.format} contradicts its name",
                path=out,
                remedy="give one of them",
            )
        return asked or named or writable_format(ending)
    ending = Path(target.name).suffix.lower()
    named = writable_format(ending) if ending in EXTENSIONS else None
    if asked is not None and named not in (None, asked):
        raise UsageError(
            f"--format {target.format} contradicts --name {target.name!r}",
            remedy="end the name in {ext}",
        )
    return asked or named or writable_format("png")


def asked_format(target: OutputOptions) -> str | None:
    """The name of the format that ``--format`` means; None where it was left out.

    Raises:
        UsageError: there is no such format, or it can only be read.
    """
    return None if target.format is None else writable_format(target.format).name


def goes_to_one_place(
    source: InputOptions, output: str | None, is_file: Callable[[str], bool] = names_a_file
) -> bool:
    """Whether outputs go to standard output or to one file, rather than to a folder.

    Args:
        source: inputs, which say where outputs go by default.
        output: ``-o``, or None.
        is_file: whether it names a file.
    """
    if output is None:
        return "-" in source.inputs or not (source.inputs or source.files_from)
    return output == "-" or is_file(output)


def pair(tasks: Sequence[Task], role: str, given: str | None, *, named: str | None = None) -> None:
    """Find each task's file for an option such as ``--trimap``.

    Args:
        tasks: are told their file, under ``role``.
        role: what the file is to the job.
        given: a file for all, or a folder; None: the option was left out.
        named: the kind of file, which says how it may be called; None: as ``role``.
    """
    if given is None:
        return
    found = pair_companions([task.source for task in tasks], as_path(given), named or role)
    for task, companion in zip(tasks, found, strict=True):
        task.companions[role] = companion


def refuse_overwriting_companions(tasks: Sequence[Task], others: Sequence[Path] = ()) -> None:
    """No output takes the place of a file that belongs to any input, or of ``others``.

    Raises:
        UsageError: one would.
    """
    read = {
        path
        for task in tasks
        for path in task.companions.values()
        if not isinstance(path, MattecliError)
    }
    refuse_overwriting([task.outputs for task in tasks], [*read, *others])


def files_read(source: InputOptions, *given: str | Path | None) -> list[Path]:
    """Files that a command reads beside its inputs: ``--files-from``, and what else is given."""
    texts = [text for text in (source.files_from, *given) if text is not None and text != "-"]
    return [path for path in map(as_path, texts) if is_ordinary_file(path)]


def _found(
    options: InputOptions, target: OutputOptions, rule: OutputRule, left_out: LeftOut
) -> list[Source]:
    paths = options.inputs
    if not paths and options.files_from is None:
        if not is_piped():
            raise UsageError(
                "there is no input",
                remedy=f"give files, or pipe an image: {rule.example}",
            )
        paths = ("-",)
    if target.output is None:
        _refuse_output_among(paths)
    folders = [target.output or rule.folder, *rule.protected]
    request = InputRequest(
        paths=paths,
        recursive=options.recursive,
        files_from=options.files_from,
        null_separated=options.null,
        excluded=tuple(as_path(text) for text in folders if text is not None and text != "-"),
        wanted=rule.wanted,
        left_out=left_out,
    )
    return find_inputs(request)


def _refuse_output_among(inputs: Sequence[str]) -> None:
    """Refuse a last input that is not there, all others being there: it is meant as the output.

    Raises:
        UsageError: names it.
    """
    *others, last = inputs or ("-",)
    row = EXTENSIONS.get(Path(last).suffix.lower())
    is_suspect = others and row is not None and row.depths and not has_wildcards(last)
    if not is_suspect or is_stored(as_path(last)) or os.path.lexists(last):
        return
    if all(other == "-" or is_there(as_path(other)) for other in others):
        raise UsageError("there is no such file", path=last, remedy="outputs are named with -o")


def is_piped() -> bool:
    """Whether standard input is a pipe or a file: data, not a terminal and not nothing."""
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
    except (OSError, ValueError, AttributeError):  # closed
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def shard_part(items: list[S], shard: str | None) -> list[S]:
    """Every n-th input, from the i-th on: parts of equal size, whatever the folders are."""
    if shard is None:
        return items
    index, _, count = shard.partition("/")
    if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
        raise UsageError(f"--shard {shard!r} is no part", remedy="give i/n with i from 0 to n-1")
    return items[int(index) :: int(count)]
