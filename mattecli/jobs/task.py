"""One input on its way through a job."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from mattecli.engine.memory import is_out_of_memory
from mattecli.errors import InputError, MattecliError, shown_path, unexpected
from mattecli.media.headers import is_followed
from mattecli.media.images import Content, probe
from mattecli.media.sources import Source
from mattecli.media.thumbnails import thumbnail
from mattecli.ops.lazy import LazyImage
from mattecli.ops.segmentation import Box
from mattecli.records import Array, ItemRecord, Size, Status

__all__ = ["INPUT", "Task"]

INPUT = "input"
"""The role of the input itself, beside those of its companions."""

_TURN = threading.Lock()  # one for all tasks: with one of its own a task could not be pickled


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
        given: by role, and by ``input`` for the input itself: what to read in place of the file.
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
    given: Mapping[str, Content] = field(default_factory=dict)
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

    @property
    def first_place(self) -> Path | None:
        """The first of its outputs that is a file; None where all go to standard output."""
        return next((path for path in self.outputs.values() if path is not None), None)

    def companion(self, role: str) -> Path:
        """The file that belongs to the input.

        Raises:
            PairingError: there is none.
        """
        found = self.companions[role]
        if isinstance(found, MattecliError):
            raise found
        return found

    def content(self, role: str = INPUT) -> Content:
        """What readers of images take for the input, or for what belongs to it.

        What standard input holds beside one picture is noted.

        Raises:
            ImageReadError: there is nothing to read.
            PairingError: nothing belongs to it.
        """
        if role in self.given:
            return self.given[role]
        if role != INPUT:
            return self.companion(role)
        found = self.source.content()
        if isinstance(found, bytes) and is_followed(found):
            self.notes.append("the first picture on standard input; what follows is not read")
        return found

    def show(self, caption: str, image: Array | LazyImage) -> None:
        """Keep a small picture for the report, if one shows pictures."""
        if self.wants_thumbs:
            self.thumbs[caption] = thumbnail(np.asarray(image))

    def give_up(self) -> bool:
        """Forbid that its outputs are written; False if they are being written already."""
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
        """The photo's pixels by its header; 0 where that cannot be read, which fails it later."""
        if self.source.is_stdin or self.source.error is not None:
            return 0
        try:
            return probe(self.source.path).size.pixels
        except Exception:  # noqa: BLE001 - whatever it is, it is told when the photo is read
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

    def failure(self, error: Exception, seconds: Mapping[str, float] | None = None) -> ItemRecord:
        """The account of this task where it failed.

        Args:
            error: why.
            seconds: time by stage until then.
        """
        return replace(
            self.record("failed"),
            outputs={},
            error=self._reason(error),
            trouble=error,
            seconds=seconds or {},
        )

    def _reason(self, error: Exception) -> str:
        """One line: file, cause, remedy; what lies in a companion names the input as well."""
        shown = self.shown
        if isinstance(error, MattecliError):
            named = error.path is not None and error.path not in self.companions.values()
            return str(error) if named else f"{shown}: {error}"
        if is_out_of_memory(error):
            return (
                f"{shown}: ran out of memory; use fewer --workers, a smaller --size where one is"
                " given, or a machine with more"
            )
        if isinstance(error, OSError):
            where = shown_path(os.fsdecode(error.filename)) if error.filename else shown
            return f"{where}: {error.strerror or error}"
        return f"{shown}: {unexpected(error)}"
