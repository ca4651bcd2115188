"""What a journal says of the tasks of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from pathlib import Path

from mattecli.jobs.task import Task
from mattecli.media.journal import Entry, Key, Place, RealPlaces, absolute, read_entries

__all__ = ["Past", "Verdict", "key_of"]


class Verdict(IntEnum):
    """Of what outputs were last made, the worst of a task's last."""

    UNKNOWN = 0
    CURRENT = 1  # of this input, as it would be made now
    STALE = 2  # of this input, otherwise, or only begun
    FOREIGN = 3  # of another input


def key_of(task: Task) -> Key:
    """What a task is called in a journal."""
    first = task.first_place
    return absolute(task.source.path), "" if first is None else absolute(first)


class Past:
    """What a journal says of the tasks of a run; of its other entries, however many, nothing stays.

    Args:
        tasks: of the run.
        stamps: of the files that are read for each of them now.
        made_with: digest of the run's settings.

    Attributes:
        damaged: lines that made no sense.
    """

    def __init__(self, tasks: Sequence[Task], stamps: Mapping[Key, str], made_with: str) -> None:
        self.damaged = 0
        self._stamps = stamps
        self._made_with = made_with
        self._real = RealPlaces()
        # Lean, since there may be millions of outputs: each has a number, by folder and name.
        self._numbers: dict[str, dict[str, int]] = {}
        self._owners: list[Task] = []
        for task in tasks:
            for folder, name in self._places(task):
                self._numbers.setdefault(folder, {})[name] = len(self._owners)
                self._owners.append(task)
        self._verdicts = bytearray(len(self._owners))
        self._failed: set[tuple[Place, Place]] = set()

    def read(self, path: Path) -> None:
        """Read a journal.

        Raises:
            UsageError: it cannot be read.
        """
        for entry in read_entries(path):
            if entry is None:
                self.damaged += 1
                continue
            self._note_end(entry)
            for folder, name in map(self._real.of, entry.places):
                number = self._numbers.get(folder, {}).get(name)
                if number is not None:
                    self._verdicts[number] = self._judged(entry, self._owners[number])

    def verdict(self, task: Task) -> Verdict:
        """On a task's outputs, by what each was last made of."""
        numbers = (self._numbers[folder][name] for folder, name in self._places(task))
        return Verdict(max((self._verdicts[number] for number in numbers), default=0))

    def has_failed(self, task: Task) -> bool:
        """Whether a task failed when it was last tried."""
        return bool(self._failed) and self._ends_of(*key_of(task)) in self._failed

    def _places(self, task: Task) -> Iterator[Place]:
        for path in task.outputs.values():
            if path is not None:
                yield self._real.of(absolute(path))[0], path.name  # the path's own text: no copy

    def _ends_of(self, source: str, output: str) -> tuple[Place, Place]:
        return self._real.of(source), self._real.of(output)

    def _note_end(self, entry: Entry) -> None:
        if entry.status == "failed":
            self._failed.add(self._ends_of(entry.input, entry.output))
        elif entry.status == "done" and self._failed:
            self._failed.discard(self._ends_of(entry.input, entry.output))

    def _judged(self, entry: Entry, task: Task) -> Verdict:
        key = key_of(task)
        if self._real.of(entry.input) != self._real.of(key[0]):
            return Verdict.FOREIGN
        same = entry.made_with == self._made_with and entry.stamp == self._stamps.get(key)
        return Verdict.CURRENT if same and entry.status == "done" else Verdict.STALE
