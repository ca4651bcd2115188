"""Disks that are full or read-only, and a program without root's privileges."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system in memory; the test is skipped where none can be mounted.

    Args:
        folder: where; it is made.
        options: as for ``mount -o``, such as ``size=400k``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a file system can only be mounted by root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def program(*arguments: str | Path) -> list[str]:
    """The command line of the program in a process of its own, to which permissions apply."""
    plain = [sys.executable, "-m", "mattecli", *map(str, arguments)]
    if os.geteuid() != 0:
        return plain
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        pytest.skip("root may read and write everything, and there is no setpriv")
    return [setpriv, "--bounding-set=-dac_override,-dac_read_search,-fowner", *plain]


def run(arguments: Sequence[str], cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command line to its end, with additions to the environment."""
    return subprocess.run(
        arguments,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=300,
        check=False,
    )
