"""The record that the store keeps of weights."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

__all__ = ["RECORD_ERRORS", "StoredWeights", "read_record", "slug"]

RECORD_ERRORS = (OSError, ValueError, TypeError, RecursionError)
"""What `read_record` raises for a damaged record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredWeights:
    """Weights in the store.

    Attributes:
        name: the model's name, or that of a published file.
        file: name of the weights file in the store's folder.
        size: in bytes.
        sha256: digest of the file in the store; later checks compare the file with it.
        source: address or file name that it came from.
        source_sha256: digest of what it came from; the same for a pulled file.
        pulled: it is the published file itself.
        pinned: digest of the published file as it was first pulled, which later pulls must have
            and imports leave alone; "" where it never was.
        licence: of the weights; "" where unknown.
        options: what the tensors do not tell about the network.
    """

    name: str
    file: str
    size: int
    sha256: str
    source: str
    source_sha256: str
    pulled: bool
    pinned: str = ""
    licence: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


_RECORD_TYPES: Mapping[str, type] = {
    row.name: {"size": int, "pulled": bool, "options": dict}.get(row.name, str)
    for row in fields(StoredWeights)
}


def slug(name: str) -> str:
    """A model's name as the beginning of file names."""
    return name.replace(":", "-")


def read_record(path: Path) -> StoredWeights:
    """The record in a file.

    Raises:
        OSError, ValueError, TypeError, RecursionError: it is not there, or damaged.
    """
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    stored = StoredWeights(**content)
    if not all(isinstance(value, _RECORD_TYPES[key]) for key, value in content.items()):
        raise ValueError("an entry is of another type")
    if Path(stored.file).name != stored.file or path.stem != slug(stored.name):
        raise ValueError("it names another file")
    return stored
