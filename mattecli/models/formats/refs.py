"""What a pickled weights file describes, before any element is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from mattecli.models.formats.names import Name

__all__ = ["StandIn", "StorageRef", "TensorRef"]


@dataclass(frozen=True, slots=True)
class StorageRef:
    """A run of elements in the file.

    Attributes:
        key: the storage's name in the container.
        dtype: element type as torch calls it, such as ``float32``.
        length: elements in the whole storage.
        start: first element of the view of it that is meant.
    """

    key: str
    dtype: str
    length: int
    start: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class TensorRef:
    """A tensor's place in its storage: offset and strides in elements, any stride may be 0.

    Compared and hashed by identity, since optimisers use parameters as keys.
    """

    storage: StorageRef
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


@dataclass(slots=True, eq=False)
class StandIn:
    """What is left of an object whose class is not imported: its class's name, its attributes."""

    name: Name
    attributes: dict[str, object] = field(default_factory=dict)
