"""What every reader of a container hands over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mattecli.errors import CheckpointError
from mattecli.models.formats.names import ELEMENT_SIZES, shown_name
from mattecli.models.formats.refs import StorageRef

__all__ = ["Container", "Format", "checked_span"]

Format = Literal["safetensors", "pytorch", "pytorch-legacy", "torchscript"]
"""Containers: safetensors, PyTorch's zip (1.6 on), its stream (before 1.6), TorchScript."""


@dataclass(frozen=True, slots=True)
class Container:
    """A pickled file, its elements still on disk.

    Attributes:
        format: the container.
        root: the pickled object: containers, `TensorRef` and `StandIn`.
        spans: the bytes of each storage in the file, by key.
    """

    format: Format
    root: object
    spans: Mapping[str, range]


def checked_span(storage: StorageRef, start: int, end: int) -> range:
    """The bytes of a storage that begins at ``start`` and must not pass ``end``.

    Raises:
        CheckpointError: the storage claims more bytes than there are.
    """
    claimed = storage.length * ELEMENT_SIZES[storage.dtype]
    if start + claimed > end:
        raise CheckpointError(
            f"cut short or damaged: storage {shown_name(storage.key)} claims {claimed:,} bytes "
            f"and {max(0, end - start):,} are there"
        )
    return range(start, start + claimed)
