"""The few calls that a weights file may make, each with its arguments checked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from mattecli.errors import CheckpointError
from mattecli.models.formats.names import Name, RefusedNameError, Role
from mattecli.models.formats.refs import StandIn, StorageRef, TensorRef

__all__ = ["call", "checked_key"]

_MOST_DIMENSIONS = 16


def call(callee: object, arguments: object) -> object:
    """The result of calling ``callee``; nothing outside this module runs.

    Raises:
        RefusedNameError: weights files make no such call.
        CheckpointError: what is called is no function, or its arguments make no sense.
    """
    if not isinstance(callee, Name) or not isinstance(arguments, tuple):
        raise CheckpointError("its pickle calls something that is no function")
    if callee.role is Role.BUILDER:
        return _BUILDERS[str(callee)](arguments)
    if callee.role is Role.INERT:
        return StandIn(callee)
    raise RefusedNameError(callee, "calls")


def checked_key(key: object) -> object:
    """``key`` if hashing it takes bounded time (nested tuples can take for ever)."""
    if key is None or isinstance(key, (str, bytes, int, float, TensorRef, StandIn, Name)):
        return key
    raise CheckpointError(f"a key in it is a {type(key).__name__}")


def _damaged(what: str) -> CheckpointError:
    return CheckpointError(f"damaged: {what} in it makes no sense")


def _dict(arguments: tuple[object, ...]) -> dict[object, object]:
    match arguments:
        case ():
            return {}
        case (Name(),):  # a defaultdict's factory
            return {}
        case (dict(given),):
            return given
        case (list(pairs),):  # as Python 2 writes an OrderedDict
            return dict(_pair(pair) for pair in pairs)
    raise _damaged("a dictionary")


def _pair(pair: object) -> tuple[object, object]:
    match pair:
        case [key, value]:
            return checked_key(key), value
    raise _damaged("a dictionary")


def _set(arguments: tuple[object, ...]) -> set[object]:
    match arguments:
        case () | ([],):
            return set()
        case (list(items),):
            return {checked_key(item) for item in items}
    raise _damaged("a set")


def _size(arguments: tuple[object, ...]) -> tuple[int, ...]:
    match arguments:
        case (tuple(lengths) | list(lengths),):
            return _lengths(lengths)
    raise _damaged("a size")


def _lengths(values: object) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or len(values) > _MOST_DIMENSIONS:
        raise _damaged("a shape")
    if not all(type(value) is int and 0 <= value < 2**48 for value in values):
        raise _damaged("a shape")
    return tuple(values)


def _tensor(arguments: tuple[object, ...]) -> TensorRef:
    match arguments:
        case (StorageRef() as storage, int(offset), shape, stride, *_) if offset >= 0:
            ref = TensorRef(storage, storage.start + offset, _lengths(shape), _lengths(stride))
        case _:
            raise _damaged("a tensor")
    if len(ref.shape) != len(ref.stride):
        raise _damaged("a tensor's stride")
    return ref


def _parameter(arguments: tuple[object, ...]) -> TensorRef:
    match arguments:
        case (TensorRef() as data, *_):
            return data
    raise _damaged("a parameter")


_BUILDERS: Mapping[str, Callable[[tuple[object, ...]], object]] = MappingProxyType(
    {
        "collections.OrderedDict": _dict,
        "collections.defaultdict": _dict,
        "builtins.dict": _dict,
        "builtins.set": _set,
        "torch.Size": _size,
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_parameter": _parameter,
        "torch._utils._rebuild_parameter_with_state": _parameter,
    }
)
