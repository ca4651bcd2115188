"""Runs that disturb each other, and files that change while they are read."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy as np

from tests.conftest import Cli, load, outputs_in, photo, save
from tests.test_bad_surroundings import assert_all_whole, cutouts, started


def test_two_runs_into_one_folder_at_once(tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 60)
    command = ("composite", "in", "-b", "olive", "-o", "out/")
    with started(tmp_path, *command) as first, started(tmp_path, *command) as second:
        words = [process.communicate(timeout=120)[1] for process in (first, second)]
        assert [first.returncode, second.returncode] == [0, 0], words
    assert assert_all_whole(tmp_path / "out") == 60
    lines = (tmp_path / "out" / ".mattecli-journal.jsonl").read_text().splitlines()
    assert len([json.loads(line) for line in lines if line]) == 120
    with started(tmp_path, *command, "--existing", "skip", "--json") as third:
        out = third.communicate(timeout=60)[0]
    assert json.loads(out.splitlines()[-1])["skipped"] == 60


def test_files_that_change_while_they_are_read(tmp_path: Path) -> None:
    cutouts(tmp_path / "in", 40)
    path = tmp_path / "in" / "p7.png"
    whole = path.read_bytes()
    ended = threading.Event()

    def change() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            path.write_bytes(whole[: len(whole) * (number % 7) // 6])

    changer = threading.Thread(target=change)
    changer.start()
    try:
        for _ in range(3):
            with started(tmp_path, "composite", "in", "-o", "out/") as process:
                words = process.communicate(timeout=120)[1]
            assert process.returncode in (0, 1), words
            assert "Traceback" not in words
            assert "unexpected" not in words
            failed = [line for line in words.splitlines() if line.startswith("failed")]
            assert all(line.startswith("failed: in/p7.png: ") for line in failed)
            assert assert_all_whole(tmp_path / "out") >= 39
    finally:
        ended.set()
        changer.join()


def test_a_clock_that_was_wrong_makes_nothing_stale_or_complete(cli: Cli, tmp_path: Path) -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, 8:20] = 255
    path = save(tmp_path / "in" / "m.png", mask)
    common = ("trimap", "in", "--dilate", "3", "-o", "out/", "--existing", "skip", "--json")
    assert cli(*common).code == 0
    (output,) = outputs_in(tmp_path / "out")
    os.utime(output, (4e9, 4e9))  # of the next century
    assert json.loads(cli(*common).out.splitlines()[-1])["skipped"] == 1
    path.write_bytes(save(tmp_path / "other.png", photo(30, 20)[..., 0]).read_bytes())
    os.utime(path, (1e8, 1e8))  # changed, and older than its output
    assert json.loads(cli(*common).out.splitlines()[-1])["done"] == 1
    assert load(output).shape == (20, 30)
