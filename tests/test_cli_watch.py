"""``--watch``: a hot folder."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import PICTURES, Cli, photo, save
from tests.video_runs import wait_for

ALPHA = "{}-alpha.png"


@contextmanager
def watching(folder: Path, *more: str, size: bool = True) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "mattecli", "matte", "in", "-o", "out", "-w", "alpha"]
    process = subprocess.Popen(
        [*command, *(("--size", "64") if size else ()), "--watch", "0.6", *more],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_photos_are_done_as_they_come(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    out = tmp_path / "out"
    with watching(tmp_path, "--json", "--report", "run.jsonl") as process:
        shutil.copy(PICTURES / "photos" / "astronaut.jpg", tmp_path / "in" / "a.jpg")
        wait_for((out / ALPHA.format("a")).exists)
        whole = (PICTURES / "photos" / "chelsea.jpg").read_bytes()
        (tmp_path / "in" / "broken.jpg").write_bytes(whole[:5000])
        with (tmp_path / "in" / "slow.jpg").open("wb") as stream:  # as a camera writes it
            for start in range(0, len(whole), len(whole) // 8):
                stream.write(whole[start : start + len(whole) // 8])
                stream.flush()
                time.sleep(0.1)
        wait_for((out / ALPHA.format("slow")).exists)
        before = (out / ALPHA.format("a")).stat().st_mtime_ns
        shutil.copy(PICTURES / "photos" / "chelsea.jpg", tmp_path / "in" / "a.jpg")  # retaken
        wait_for(lambda: (out / ALPHA.format("a")).stat().st_mtime_ns != before)
        (out / ALPHA.format("slow")).unlink()  # fetched: not to be made once more
        time.sleep(1.6)
        process.send_signal(signal.SIGINT)
        told, words = process.communicate(timeout=60)
    assert process.returncode == 130, words
    assert not (out / ALPHA.format("slow")).exists()
    *records, summary = map(json.loads, told.splitlines())
    found = [(Path(record["input"]).name, record["status"]) for record in records]
    assert sorted(found) == [
        ("a.jpg", "done"), ("a.jpg", "done"), ("broken.jpg", "failed"), ("slow.jpg", "done"),
    ]  # fmt: skip
    assert (summary["done"], summary["failed"], summary["total"]) == (3, 1, 4)
    assert "in/slow.jpg: done" in words
    assert len((tmp_path / "run.jsonl").read_text().splitlines()) == 5


def test_what_was_done_before_is_left_and_fail_fast_ends_it(tmp_path: Path) -> None:
    save(tmp_path / "in" / "a.png", photo(64, 64))
    save(tmp_path / "out" / ALPHA.format("a"), photo(64, 64)[..., 0])
    with watching(tmp_path, "--fail-fast", "--json") as process:
        time.sleep(0.5)
        (tmp_path / "in" / "b.png").write_bytes(b"no image")
        told, words = process.communicate(timeout=60)
    assert process.returncode == 1, words
    *records, summary = map(json.loads, told.splitlines())
    assert [record["status"] for record in records] == ["failed"]
    assert summary["total"] == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("a.png", "--watch", "2"), "needs a folder"),
        ((".", "--watch", "0"), "--watch 0 makes no sense"),
        ((".", "--watch", "2", "--dry-run"), "--dry-run is not for --watch"),
        ((".", "--watch", "2", "-o", "-"), "--output - is not for --watch"),
        ((".", "--watch", "2", "--existing", "error"), "--existing error is not for --watch"),
        ((".", "--watch", "2", "--name", "{index}-{kind}"), "{index} in --name is not for"),
        ((".", "gone", "--watch", "2"), "gone: there is no such folder"),
    ],
)
def test_what_cannot_be_watched_is_refused(
    arguments: tuple[str, ...], words: str, cli: Cli, tmp_path: Path
) -> None:
    save(tmp_path / "a.png", photo(32, 32))
    done = cli("matte", *arguments)
    assert done.code == 2
    assert words in done.err


def test_what_belongs_to_a_photo_may_come_later_and_change(tmp_path: Path) -> None:
    """And an input folder may be empty: nothing has failed then."""
    (tmp_path / "in").mkdir()
    (tmp_path / "trimaps").mkdir()
    trimap = np.full((64, 64), 128, np.uint8)
    trimap[:20], trimap[40:] = 0, 255
    made = tmp_path / "out" / ALPHA.format("a")
    with watching(
        tmp_path, "--trimap", "trimaps", "--model", "closed-form", "--json", size=False
    ) as process:
        time.sleep(1.6)
        save(tmp_path / "in" / "a.png", photo(64, 64))
        save(tmp_path / "trimaps" / "a.png", trimap)
        wait_for(made.exists)
        before = made.stat().st_mtime_ns
        save(tmp_path / "trimaps" / "a.png", np.roll(trimap, 10, axis=0))
        wait_for(lambda: made.stat().st_mtime_ns != before)
        (tmp_path / "in" / "a.png").unlink()
        time.sleep(1.6)
        process.send_signal(signal.SIGTERM)
        told, words = process.communicate(timeout=60)
    assert process.returncode == 130, words
    summary = json.loads(told.splitlines()[-1])
    assert (summary["done"], summary["failed"]) == (2, 0)
