"""Starting this program's own child processes."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import mattecli

__all__ = ["child_environment", "module_command"]


def module_command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module of this package by this interpreter.

    The current folder is not searched for modules: it may hold anything.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def child_environment() -> dict[str, str]:
    """An environment in which the child finds this package, wherever it was imported from."""
    places = [str(Path(mattecli.__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(place for place in places if place)}
