"""The program at work on videos, watched from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from tests.conftest import ROOT

T = TypeVar("T")
PIECE = 60
"""Frames of a piece."""


@contextmanager
def started(folder: Path, *arguments: str | Path) -> Iterator[subprocess.Popen[str]]:
    """The program at work on a video, in its own process."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.video_program", "0.02", "video"),
            *(*map(str, arguments), "--piece-frames", str(PIECE)),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.communicate()


def wait_for(condition: Callable[[], T], seconds: float = 120) -> T:
    """Wait until something is so; what it then is."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)
    return found


def has_piece(folder: Path) -> bool:
    """Whether a piece has been completed."""
    journals = list(folder.glob(".*.mattecli/journal.jsonl"))
    return bool(journals) and len(journals[0].read_text().splitlines()) > 1
