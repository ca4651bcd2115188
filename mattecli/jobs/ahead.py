"""Decodes the first photos while a model is being loaded, which keeps only one core busy."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Generic, Self, TypeVar

from mattecli.jobs.task import Task
from mattecli.jobs.workspace import Workspace
from mattecli.media.images import read_picture
from mattecli.media.paths import is_ordinary_file
from mattecli.media.stores.place import is_stored
from mattecli.records import Picture
from mattecli.settings import InputOptions

__all__ = ["DecodedAhead", "Read", "photo_reader"]

_GRACE = 1.0  # seconds

T = TypeVar("T", bound=Task)
Read = Callable[[T, int | None], Picture]
"""Decodes a task's photo; with a short side, as small as that allows."""


def photo_reader(options: InputOptions, workspace: Workspace) -> Read[Task]:
    """What decodes a task's photo when it is asked for."""

    def read(task: Task, short_side: int | None) -> Picture:
        return read_picture(
            task.content(),
            max_pixels=options.max_pixels,
            short_side=short_side,
            place=workspace.place,
        )

    return read


class DecodedAhead(Generic[T]):
    """Decodes the first photos in threads of its own.

    A context manager: on leaving it the threads begin no further photo.

    Args:
        tasks: in their order.
        read: decodes one.
        short_side: what ``take`` will probably be asked for; another means decoding again.
        threads: how many.
        pixels: decoding ahead ends once so many pixels were decoded (the last photo may exceed
            it); a single larger photo is never decoded ahead.
    """

    def __init__(
        self,
        tasks: Sequence[T],
        read: Read[T],
        short_side: int | None,
        *,
        threads: int,
        pixels: int,
    ) -> None:
        self._tasks = iter(tasks)
        self._read = read
        self._short_side = short_side
        self._most = self._room = pixels
        # By id(task); the task is kept too, so that no other gets its id.
        self._pictures: dict[int, tuple[T, Future[Picture]]] = {}
        self._lock = threading.Lock()
        self._is_open = True
        self._threads = [
            threading.Thread(target=self._run, name="ahead", daemon=True) for _ in range(threads)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        for thread in self._threads:  # but a slow decoder is not waited for
            thread.join(_GRACE / len(self._threads))
        with self._lock:
            self._pictures.clear()

    def stop(self) -> None:
        """Begin no further photo."""
        with self._lock:
            self._is_open = False

    def take(self, task: T, short_side: int | None) -> Picture:
        """The task's photo; decoded now if it was not decoded ahead.

        Raises:
            ImageReadError: it cannot be read.
            ResourceError: memory does not suffice.
        """
        with self._lock:
            found = self._pictures.pop(id(task), None)
        if found is None or short_side != self._short_side:
            return self._read(task, short_side)
        return found[1].result()

    def _run(self) -> None:
        while (begun := self._next()) is not None:
            task, pixels, promise = begun
            try:
                picture = self._read(task, self._short_side)
            except BaseException as error:  # noqa: BLE001 - raised again by take()
                promise.set_exception(error)
                continue
            with self._lock:  # it may have been decoded smaller
                self._room += pixels - picture.color.shape[0] * picture.color.shape[1]
            promise.set_result(picture)

    def _next(self) -> tuple[T, int, Future[Picture]] | None:
        """The next task, its photo's pixels, and a promise of the picture; None: that was all."""
        with self._lock:
            while self._is_open and self._room > 0:
                task = next(self._tasks, None)
                if task is None:
                    break
                pixels = _pixels_at_hand(task)
                if 0 < pixels <= self._most:
                    promise: Future[Picture] = Future()
                    self._pictures[id(task)] = task, promise
                    self._room -= pixels
                    return task, pixels, promise
            return None


def _pixels_at_hand(task: Task) -> int:
    """Pixels of a photo in a local file; 0 for others: pipes and stores may keep us waiting."""
    source = task.source
    if source.error is not None or is_stored(source.path) or not is_ordinary_file(source.path):
        return 0
    return task.source_pixels()
