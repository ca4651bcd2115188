"""What is to be done with each input, settled before anything runs."""

from __future__ import annotations

import os
import stat
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np

from mattecli.errors import ImageWriteError, InputError, MattecliError, UsageError, shown_path
from mattecli.media.formats import Format, writable_format
from mattecli.media.images import probe
from mattecli.media.names import names_a_file, plan_outputs, refuse_overwriting
from mattecli.media.pairing import pair_companions
from mattecli.media.paths import is_ordinary_file, is_there
from mattecli.media.soundness import is_sound_image
from mattecli.media.sources import InputRequest, Source, find_inputs, outputs_of_kind
from mattecli.media.stores.path import list_ahead
from mattecli.media.stores.place import as_path
from mattecli.media.thumbnails import thumbnail
from mattecli.ops.lazy import LazyImage
from mattecli.ops.segmentation import Box
from mattecli.records import Array, ItemRecord, Size, Status
from mattecli.settings import InputOptions, OutputOptions

__all__ = [
    "OutputRule",
    "Task",
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

_TURN = threading.Lock()  # of all tasks, which may be sent to other processes


@dataclass(slots=True, eq=False, kw_only=True)
class Task:
    """One input on its way through a job.

    Attributes:
        source: the input.
        place: its number among all inputs of a run, from 0, whichever shard it is of.
        outputs: where each kind of output goes; None is standard output.
        format: file format of the outputs.
        settled: its record, once it has ended, or when nothing has to be done.
        companions: by role (trimap, alpha, photo): the file that belongs to it, or why none does.
        notes: what the user should know about it.
        size: of the photo, upright, once known.
        is_reported: whether the observer has been told.
        wants_thumbs: whether a report shows it in pictures.
        thumbs: small pictures for a report, by caption.
        crop: the part of the photo that its outputs show, where it is not all of it.
        root: the folder that its outputs may not lead out of; None: the user named the file itself.
        min_free: bytes of the outputs' disk that have to stay free.
        written: bytes of its outputs.
    """

    source: Source
    outputs: Mapping[str, Path | None]
    format: str
    place: int = 0
    settled: ItemRecord | None = None
    companions: dict[str, Path | MattecliError] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    size: Size | None = None
    is_reported: bool = False
    wants_thumbs: bool = False
    thumbs: dict[str, bytes] = field(default_factory=dict)
    crop: Box | None = None
    root: Path | None = None
    min_free: int = 0
    written: int = 0
    _fate: Literal["open", "written", "given up"] = "open"

    @property
    def shown(self) -> str:
        """The input's name for messages."""
        return shown_path(self.source.path)

    def companion(self, role: str) -> Path:
        """The file that belongs to the input.

        Raises:
            PairingError: there is none.
        """
        found = self.companions[role]
        if isinstance(found, MattecliError):
            raise found
        return found

    def show(self, caption: str, image: Array | LazyImage) -> None:
        """Keep a small picture for the report, if one shows pictures."""
        if self.wants_thumbs:
            self.thumbs[caption] = thumbnail(np.asarray(image))

    def give_up(self) -> bool:
        """Nothing of it shall be written any more; False if it is being written already."""
        with _TURN:
            if self._fate == "open":
                self._fate = "given up"
            return self._fate == "given up"

    def begin_writing(self) -> None:
        """From now on it cannot be given up.

        Raises:
            InputError: it was.
        """
        with _TURN:
            if self._fate == "given up":
                raise InputError("it was given up", path=self.source.path)
            self._fate = "written"

    def source_pixels(self) -> int:
        """The photo's pixels, as far as its header tells before it is its turn to fail."""
        if self.source.is_stdin or self.source.error is not None:
            return 0
        try:
            return probe(self.source.path).size.pixels
        except (MattecliError, OSError):
            return 0

    def record(self, status: Status) -> ItemRecord:
        """The account of this task."""
        return ItemRecord(
            source=os.fspath(self.source.path),
            status=status,
            outputs={kind: "-" if p is None else os.fspath(p) for kind, p in self.outputs.items()},
            size=self.size,
            crop=None if self.crop is None else asdict(self.crop),
            notes=tuple(self.notes),
            companions={
                role: os.fspath(file)
                for role, file in self.companions.items()
                if isinstance(file, Path)
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRule:
    """What a job writes.

    Attributes:
        kinds: outputs of each input.
        folder: where they go when the user says nothing.
        protected: further files that are read, so that no output may take their place.
        wanted: kinds of output that are meant where an input folder holds those of an earlier run,
            best first; where there is but one, no other is taken from a folder that holds it.
        labels: each input is used once with each of these, which tells the outputs apart.
    """

    kinds: Sequence[str]
    folder: str
    protected: Sequence[str | None] = ()
    wanted: tuple[str, ...] = ()
    labels: Sequence[str] = ()


def plan_tasks(
    make: type[T], source: InputOptions, target: OutputOptions, rule: OutputRule
) -> list[T]:
    """Find the inputs and name their outputs.

    Args:
        make: the job's own kind of task.
        source: where inputs come from.
        target: where outputs go.
        rule: what the job writes.

    Raises:
        UsageError: no inputs, or outputs that make no sense.
    """
    sources = _sources(source, target, rule)
    if len(rule.wanted) == 1:
        sources = outputs_of_kind(sources, rule.wanted[0])
    if rule.labels:
        sources = [replace(item, label=label) for label in rule.labels for item in sources]
    out = target.output
    if out is None:
        out = "-" if any(item.is_stdin for item in sources) else rule.folder + os.sep
    row = _format(target, out)
    planned = plan_outputs(
        sources,
        rule.kinds,
        out,
        template=target.name,
        ext=row.suffixes[0],
        protected=[as_path(text) for text in rule.protected if text is not None],
    )
    # All inputs are named before the shard is cut out: no two shards write the same name.
    root = None if out == "-" or names_a_file(out) else as_path(out)
    tasks = shard_part(
        [
            make(source=item, outputs=outputs, format=row.name, root=root, place=place)
            for place, (item, outputs) in enumerate(zip(sources, planned, strict=True))
        ],
        source.shard,
    )
    if target.existing != "overwrite":
        list_ahead(path for task in tasks for path in task.outputs.values() if path is not None)
    for task in tasks:
        _settle_existing(task, target)
    return tasks


def _format(target: OutputOptions, out: str) -> Format:
    """The format that was asked for, or that the one output's name says, or PNG."""
    if target.format is not None:
        return writable_format(target.format)
    return writable_format(Path(out).suffix if out != "-" and names_a_file(out) else "png")


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


def pair(tasks: Sequence[Task], role: str, given: str | None) -> None:
    """Find the file of each task that ``--trimap`` and the like give, if given."""
    if given is None:
        return
    found = pair_companions([task.source for task in tasks], as_path(given), role)
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
    """Files that a command reads beside its inputs: the list of them, and what else is given."""
    texts = [text for text in (source.files_from, *given) if text is not None and text != "-"]
    return [path for path in map(as_path, texts) if is_ordinary_file(path)]


def _sources(options: InputOptions, target: OutputOptions, rule: OutputRule) -> list[Source]:
    paths = options.inputs
    if not paths and options.files_from is None:
        if not is_piped():
            raise UsageError(
                "there is no input",
                remedy="give files, or pipe an image: "
                "mattecli trimap --dilate 15 < mask.png > trimap.png",
            )
        paths = ("-",)
    folders = [target.output or rule.folder, *rule.protected]
    request = InputRequest(
        paths=paths,
        recursive=options.recursive,
        files_from=options.files_from,
        null_separated=options.null,
        excluded=tuple(as_path(text) for text in folders if text is not None and text != "-"),
        wanted=rule.wanted,
    )
    return find_inputs(request)


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
    if not (index.isdigit() and count.isdigit() and int(index) < int(count)):
        raise UsageError(f"--shard {shard!r} is no part", remedy="give i/n with i from 0 to n-1")
    return items[int(index) :: int(count)]


def _settle_existing(task: Task, target: OutputOptions) -> None:
    """Outputs appear whole, so one that is there is complete, unless it was damaged since."""
    if target.existing == "overwrite" or not task.outputs:
        return
    there = [path for path in task.outputs.values() if path is not None and is_there(path)]
    if target.existing == "skip":
        damaged = [path for path in there if not is_sound_image(path)]
        task.notes += [f"{shown_path(path)} was damaged, and is made again" for path in damaged]
        if len(there) - len(damaged) == len(task.outputs):
            task.settled = task.record("skipped")
    if target.existing == "error" and there:
        error = ImageWriteError(
            "exists already", path=there[0], remedy="remove it, or use --existing overwrite or skip"
        )
        task.settled = replace(task.record("failed"), outputs={}, error=str(error))
