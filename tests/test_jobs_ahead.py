"""Photos decoded ahead: each for its own task, within bounds, and only what can be had at once."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mattecli.errors import ImageReadError
from mattecli.jobs.ahead import DecodedAhead
from mattecli.jobs.task import Task
from mattecli.media.images import read_picture
from mattecli.media.sources import Source
from mattecli.records import Picture
from tests.conftest import Cli, photo, save


class Reader:
    """Reads photos, and remembers in which threads."""

    def __init__(self) -> None:
        self.read: list[tuple[str, str, int | None]] = []

    def __call__(self, task: Task, short_side: int | None) -> Picture:
        self.read.append((task.source.name, threading.current_thread().name, short_side))
        return read_picture(task.source.path, short_side=short_side)

    def wait_for(self, count: int) -> None:
        end = time.monotonic() + 10
        while len(self.read) < count:
            assert time.monotonic() < end
            time.sleep(0.01)


def tasks_of(folder: Path, count: int) -> list[Task]:
    paths = [save(folder / f"{n}.png", photo(40, 30, seed=n)) for n in range(count)]
    return [Task(source=Source(path=path), outputs={}, format="png") for path in paths]


def test_each_task_gets_its_own_photo_and_few_lie_ready(tmp_path: Path) -> None:
    tasks, reader = tasks_of(tmp_path, 9), Reader()
    with DecodedAhead(tasks, reader, None, threads=2, pixels=3 * 40 * 30) as ahead:
        reader.wait_for(3)
        time.sleep(0.1)
        assert 3 <= len(reader.read) <= 4  # one of them may be under way when room is up
        found = [ahead.take(task, None).color for task in reversed(tasks)]
    for number, color in enumerate(reversed(found)):
        assert np.array_equal(color, photo(40, 30, seed=number))
    assert sorted(name for name, *_ in reader.read) == sorted(f"{n}.png" for n in range(9))


def test_many_threads_keep_within_the_same_room(tmp_path: Path) -> None:
    tasks, reader = tasks_of(tmp_path, 9), Reader()
    with DecodedAhead(tasks, reader, None, threads=7, pixels=40 * 30 * 3 // 2):
        reader.wait_for(2)
        time.sleep(0.3)
        assert len(reader.read) == 2  # the second goes over it


def test_a_decoder_that_does_not_end_is_not_waited_for(tmp_path: Path) -> None:
    [task] = tasks_of(tmp_path, 1)
    begun, release = threading.Event(), threading.Event()

    def read(task: Task, short_side: int | None) -> Picture:
        begun.set()
        release.wait(30)
        return read_picture(task.source.path)

    begin = time.monotonic()
    with DecodedAhead([task], read, None, threads=1, pixels=10**6):
        assert begun.wait(10)
    assert time.monotonic() - begin < 10
    release.set()


def test_another_size_is_decoded_anew(tmp_path: Path) -> None:
    [task], reader = tasks_of(tmp_path, 1), Reader()
    with DecodedAhead([task], reader, 16, threads=1, pixels=40 * 30) as ahead:
        reader.wait_for(1)
        ahead.take(task, None)
    assert [short_side for *_, short_side in reader.read] == [16, None]


def test_what_fails_fails_for_its_task(tmp_path: Path) -> None:
    good, bad = tasks_of(tmp_path, 2)
    bad.source.path.write_bytes(b"no image")
    with DecodedAhead([bad, good], Reader(), None, threads=1, pixels=10**6) as ahead:
        with pytest.raises(ImageReadError, match="not an image"):
            ahead.take(bad, None)
        assert ahead.take(good, None).color.shape == (30, 40, 3)


def test_pipes_and_standard_input_are_left_alone(tmp_path: Path) -> None:
    [task], reader = tasks_of(tmp_path, 1), Reader()
    os.mkfifo(tmp_path / "pipe.png")
    sources = [Source(path=tmp_path / "pipe.png"), Source(path=Path("-"), is_stdin=True)]
    others = [Task(source=source, outputs={}, format="png") for source in sources]
    with DecodedAhead([*others, task], reader, None, threads=1, pixels=10**6):
        reader.wait_for(1)
    assert [name for name, *_ in reader.read] == ["0.png"]


def test_large_photos_are_left_alone(tmp_path: Path) -> None:
    large = save(tmp_path / "large.png", photo(400, 300))
    tasks, reader = tasks_of(tmp_path, 1), Reader()
    tasks.insert(0, Task(source=Source(path=large), outputs={}, format="png"))
    with DecodedAhead(tasks, reader, None, threads=1, pixels=40 * 30) as ahead:
        reader.wait_for(1)
        assert ahead.take(tasks[0], None).color.shape == (300, 400, 3)
    assert [name for name, *_ in reader.read] == ["0.png", "large.png"]


def test_nothing_is_begun_once_it_is_stopped(tmp_path: Path) -> None:
    tasks, reader = tasks_of(tmp_path, 3), Reader()
    ahead = DecodedAhead(tasks, reader, None, threads=1, pixels=10**6)
    ahead.stop()
    with ahead:
        ahead.take(tasks[1], None)
    assert [(name, thread) for name, thread, _ in reader.read] == [("1.png", "MainThread")]


@pytest.mark.parametrize(
    "way",
    [
        ("--model", "closed-form", "--trimap", "auto"),
        ("--model", "closed-form", "--trimap", "t.png"),
        ("--model", "modnet", "--refine", "none"),
        ("--model", "modnet", "--refine", "none", "--size", "64"),
        ("--model", "modnet", "--reference"),
        ("--model", "modnet"),
    ],
)
def test_no_photo_is_decoded_twice(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: tuple[str, ...]
) -> None:
    read: list[object] = []

    def counted(source: Path, **options: Any) -> Picture:
        read.append(source)
        return read_picture(source, **options)

    monkeypatch.setattr("mattecli.jobs.ahead.read_picture", counted)
    taken = DecodedAhead.take

    def late(ahead: DecodedAhead[Task], task: Task, short_side: int | None) -> Picture:
        end = time.monotonic() + 5
        while not read and time.monotonic() < end:  # the photo was begun ahead
            time.sleep(0.01)
        return taken(ahead, task, short_side)

    monkeypatch.setattr(DecodedAhead, "take", late)
    monkeypatch.setattr(DecodedAhead, "stop", lambda _ahead: None)
    save(tmp_path / "a.jpg", photo(300, 200))
    trimap = np.full((200, 300), 128, np.uint8)
    trimap[:, :100], trimap[:, 200:] = 0, 255
    save(tmp_path / "t.png", trimap)
    done = cli("matte", "a.jpg", "-w", "alpha", "-o", "o.png", *way)
    assert done.code in (0, 1), done.err  # what noise shows is no matter here
    assert len(read) == 1
