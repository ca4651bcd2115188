"""Arrays in temporary files: they read back, leave memory, and leave nothing behind."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from mattecli.engine.memory import resident_bytes
from mattecli.errors import ResourceError
from mattecli.media.scratch import Scratch


def test_a_kept_array_reads_back_and_can_be_written() -> None:
    image = np.random.default_rng(0).integers(0, 256, (301, 200, 3), np.uint8)
    with Scratch(lambda: 2, most=1) as scratch:  # everything is given up all the time
        kept = scratch.kept(image)
        kept[7] = 9
        image[7] = 9
        assert np.array_equal(kept, image)
        assert scratch.has(kept[3:5, :, 1])
        assert not scratch.has(image)
        assert not scratch.zeros((3, 4), np.float32).any()


def test_what_files_have_leaves_memory() -> None:
    size = 200_000_000
    with Scratch(resident_bytes, most=resident_bytes() + size // 4) as scratch:
        array = scratch.zeros((200, 1_000_000), np.uint8)
        highest = 0
        for number, row in enumerate(array):
            row[...] = number
            highest = max(highest, resident_bytes())
        scratch._give_up_if_needed()
        assert highest < resident_bytes() + size * 3 // 4
        assert (array[:, ::4096].max(axis=1) == np.arange(200)).all()


def test_nothing_is_left_in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Scratch(resident_bytes, most=1 << 40) as scratch:
        scratch.kept(np.ones((100, 100), np.float32))
        assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    scratch = Scratch(resident_bytes, most=1 << 40)
    with pytest.raises(ResourceError, match="no room") as refused:
        scratch.zeros((10, 10), np.uint8)
    assert "TMPDIR" in refused.value.remedy
