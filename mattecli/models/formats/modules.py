"""Finds the state dict in what a checkpoint's pickle describes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from mattecli.errors import CheckpointError
from mattecli.models.formats.names import shown_name
from mattecli.models.formats.refs import StandIn, TensorRef

__all__ = ["FoundState", "find_state", "without_prefix"]

_WRAPPERS = ("state_dict", "model_state_dict", "model_state", "model", "network", "net", "params")
_PREFIXES = ("module.", "model.", "_orig_mod.")  # DataParallel; TorchScript, Lightning; compile
_MOST_MODULES = 20_000
_MOST_DEPTH = 64

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FoundState:
    """A state dict as found in a file.

    Attributes:
        entries: tensors by name, in the file's order, wrappers' prefixes taken off.
        wrapper: key of the surrounding dictionary, or "".
        whole_module: it was collected from a pickled network object.
    """

    entries: Mapping[str, TensorRef]
    wrapper: str
    whole_module: bool


def find_state(root: object) -> FoundState:
    """The state dict in a checkpoint's root object, be it bare, wrapped, or a whole network.

    Raises:
        CheckpointError: there is none, or it holds more than tensors.
    """
    wrapper, inner = _unwrapped(root)
    if isinstance(inner, StandIn):
        entries = dict(_Walk().entries(inner, "", 0))
        whole = True
    elif isinstance(inner, dict):
        entries, whole = _tensors_only(inner), False
    else:
        entries, whole = {}, False
    if not entries:
        raise CheckpointError("holds no network's weights")
    return FoundState(without_prefix(entries), wrapper, whole)


def without_prefix(entries: Mapping[str, T]) -> dict[str, T]:
    """``entries`` without the prefixes that wrappers put before every single name."""
    for prefix in _PREFIXES:
        if entries and all(name.startswith(prefix) for name in entries):
            shorter = {name.removeprefix(prefix): value for name, value in entries.items()}
            return without_prefix(shorter)
    return dict(entries)


def _unwrapped(root: object) -> tuple[str, object]:
    if isinstance(root, dict):
        for wrapper in _WRAPPERS:
            if isinstance(root.get(wrapper), (dict, StandIn)):
                return wrapper, root[wrapper]
    return "", root


def _tensors_only(entries: Mapping[object, object]) -> dict[str, TensorRef]:
    found = {
        key: value
        for key, value in entries.items()
        if isinstance(key, str) and isinstance(value, TensorRef)
    }
    others = [shown_name(key) for key in entries if key not in found]
    if found and others:
        raise CheckpointError(f"entries are no tensors: {', '.join(others[:3])}")
    return found


class _Walk:
    """Names the tensors of a network object as `nn.Module.state_dict` does."""

    def __init__(self) -> None:
        self.visited = 0

    def entries(self, module: StandIn, prefix: str, depth: int) -> Iterator[tuple[str, TensorRef]]:
        """Parameters, then buffers, then the children's, each in the order of registration."""
        self.visited += 1
        if self.visited > _MOST_MODULES or depth > _MOST_DEPTH:
            raise CheckpointError(
                "its network has too many parts, or parts that contain themselves"
            )
        parts = _parts(module)
        for name, part in parts.items():
            if isinstance(part, TensorRef):
                yield prefix + name, part
        for name, part in parts.items():
            if isinstance(part, StandIn):
                yield from self.entries(part, f"{prefix}{name}.", depth + 1)


def _parts(module: StandIn) -> dict[str, object]:
    """Persistent tensors and sub-modules of a module by name."""
    attributes = module.attributes
    if module.name.module.partition(".")[0] == "__torch__":  # TorchScript knows no groups
        return attributes
    hidden = attributes.get("_non_persistent_buffers_set")
    groups = [attributes.get(name) for name in ("_parameters", "_buffers", "_modules")]
    return {
        name: part
        for group in groups
        if isinstance(group, dict)
        for name, part in group.items()
        if isinstance(name, str) and not (isinstance(hidden, set) and name in hidden)
    }
