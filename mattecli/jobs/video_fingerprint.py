"""Whether an earlier run's pieces are those that this run would make."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path

from mattecli import __version__
from mattecli.errors import VideoReadError
from mattecli.jobs.video_plan import VideoTask
from mattecli.jobs.video_sources import Footage
from mattecli.media.paths import is_folder, is_ordinary_file
from mattecli.media.stores.place import as_path
from mattecli.media.video.records import Span
from mattecli.media.video.sequence import is_pattern, list_images
from mattecli.settings.video import VideoOptions

__all__ = ["companions_of", "fingerprint_of", "identity"]

_SAMPLED = 1 << 16
_PIXELS_OF = 3  # counts changes of what frames look like between releases


def fingerprint_of(
    task: VideoTask,
    footage: Footage,
    span: Span,
    facts: Mapping[str, object],
    options: VideoOptions,
) -> str:
    """A digest of all that decides what frames look like: settings, model, files that are read."""
    told = {
        "version": __version__,
        "pixels_of": _PIXELS_OF,
        "source": identity(footage.path),
        "span": (span.start, span.end),
        "companions": companions_of(options),
        "facts": {key: str(value) for key, value in facts.items()},
        "formats": task.formats,
        "target": {"codec": options.target.codec, "crf": options.target.crf},
        "clip": asdict(replace(options.clip, stall_timeout=0.0)),
        "model": {key: str(value) for key, value in asdict(options.model).items()},
        "pixels": asdict(options.pixels),
        "finish": asdict(options.finish),
        "shape": asdict(options.shape),
    }
    text = json.dumps(told, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def companions_of(options: VideoOptions) -> list[str | None]:
    """The identities of what was named beside the videos."""
    return [identity(as_path(text)) if text else None for text in options.beside]


def identity(path: Path) -> str:
    """A file by its size, time and beginning; images by sizes and times; else the text itself."""
    if is_folder(path) or (is_pattern(path) and not is_ordinary_file(path)):
        digest = hashlib.blake2b()
        for entry in _entries(path):
            status = entry.stat()
            digest.update(os.fsencode(f"{entry}\0{status.st_size}\0{status.st_mtime_ns}\0"))
        return digest.hexdigest()
    if not is_ordinary_file(path):
        return os.fspath(path)
    status = path.stat()
    with path.open("rb") as stream:
        beginning = hashlib.blake2b(stream.read(_SAMPLED)).hexdigest()
    return f"{status.st_size} {status.st_mtime_ns} {beginning}"


def _entries(path: Path) -> list[Path]:
    """The images of a folder or pattern; without any, what else lies in it."""
    with suppress(VideoReadError):
        return list_images(path)
    if not is_folder(path):
        return []
    return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
