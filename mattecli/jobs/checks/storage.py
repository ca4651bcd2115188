"""Weights, the folder they live in, and room on disks."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mattecli.errors import shown_path
from mattecli.jobs.checks.finding import Finding
from mattecli.jobs.models import list_models
from mattecli.models.store import Store

__all__ = ["storage_findings"]

_LITTLE = 2_000_000_000  # bytes; the largest published weights are 300 MB, a photo's outputs 30


def storage_findings() -> Iterator[Finding]:
    """Which weights are here, whether more can be kept, and how much room there is."""
    store = Store()
    yield _store_folder(store.folder)
    yield from _weights()
    places = {"temporary files": Path(tempfile.gettempdir()), "current folder": Path.cwd()}
    for subject, folder in places.items():
        yield _room(subject, folder)


def _store_folder(folder: Path) -> Finding:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    named = "set by MATTECLI_HOME" if os.environ.get("MATTECLI_HOME") else "the default"
    detail = f"{shown_path(folder)} ({named})"
    if not _can_be_written(existing):
        return Finding(
            subject="weights folder",
            detail=f"{detail} cannot be written",
            verdict="note",
            remedy="set MATTECLI_HOME to a folder that can, before pulling or importing weights",
        )
    return Finding(subject="weights folder", detail=detail)


def _weights() -> Iterator[Finding]:
    facts = list_models()
    here = [row.name for row in facts if row.weights in ("here", "built in")]
    yield Finding(
        subject="weights",
        detail=f"here: {', '.join(here)}" if here else "none are here",
        verdict="ok" if here else "note",
        remedy="" if here else "'mattecli models list' says how to get them",
    )
    for row in facts:
        if row.weights == "damaged":
            yield Finding(
                subject=f"weights of {row.name}",
                detail="their record is damaged",
                verdict="problem",
                remedy=f"pull or import them again; 'mattecli models info {row.name}'",
            )


def _room(subject: str, folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    detail = f"{shown_path(folder)}, {free / 1e9:.1f} GB free"
    if not _can_be_written(folder):
        # Only the temporary folder has to be writable: outputs may go elsewhere.
        needed = subject == "temporary files"
        return Finding(
            subject=subject,
            detail=f"{detail}, cannot be written",
            verdict="problem" if needed else "note",
            remedy="set TMPDIR to a folder that can" if needed else "name another with --output",
        )
    if free < _LITTLE:
        return Finding(subject=subject, detail=detail, verdict="note", remedy="free some space")
    return Finding(subject=subject, detail=detail)


def _can_be_written(folder: Path) -> bool:
    """Whether a file can be made there; permissions alone do not tell, as of /proc."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
