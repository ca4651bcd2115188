"""What all options records have in common: they refuse values that cannot be right."""

from __future__ import annotations

import os
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from numbers import Integral, Real
from pathlib import Path
from types import MappingProxyType, NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from mattecli.errors import UsageError

__all__ = ["Checked"]


class Checked:
    """Base of the options records, all of them dataclasses: looks at the values when one is made.

    What can only mean one thing becomes the field's type: a lone text or path where several may
    stand, text for a path and the reverse, a number for text, a list for a tuple.

    Raises:
        UsageError: a value is none of its field's choices, or of a type that cannot be right.
    """

    __slots__ = ()

    def __post_init__(self) -> None:
        record = type(self)
        for name, hint, default in _fields(record):
            given = getattr(self, name)
            if given is default:
                continue
            try:
                value = _fitted(given, hint)
            except _UnfitError as error:
                shown = " ".join(reprlib.repr(given).split())
                raise UsageError(f"{record.__name__}: {name}={shown} is {error}") from None
            if value is not given:
                object.__setattr__(self, name, value)  # it is frozen


class _UnfitError(ValueError):
    """Says what a value is not."""


_known: dict[type[Any], tuple[tuple[str, Any, Any], ...]] = {}


def _fields(record: type[Any]) -> tuple[tuple[str, Any, Any], ...]:
    """Name, type and default of each field; no value is its default where there is none."""
    if record not in _known:
        hints = get_type_hints(record)
        _known[record] = tuple(
            (item.name, hints[item.name], object() if item.default is MISSING else item.default)
            for item in fields(record)
        )
    return _known[record]


def _fitted(value: Any, hint: Any) -> Any:
    """The value as the type says, unless it cannot be.

    Raises:
        _UnfitError: it cannot.
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return _chosen(value, arguments)
    if origin is tuple:
        return tuple(_fitted(item, arguments[0]) for item in _several(value))
    if NoneType in arguments:
        if value is None:
            return None
        (hint,) = (argument for argument in arguments if argument is not NoneType)
        return _fitted(value, hint)
    if hint in _AS_TYPE:
        return _AS_TYPE[hint](value)
    if not isinstance(value, hint):
        raise _UnfitError(f"no {hint.__name__}")
    return value


def _chosen(value: Any, choices: tuple[str, ...]) -> str:
    text = str(value) if _is_number(value) else value
    if not (isinstance(text, str) and text in choices):
        raise _UnfitError(f"not one of {', '.join(choices)}")
    return text


def _several(value: Any) -> Sequence[Any] | Iterator[Any]:
    """What may stand in a list; one thing alone is a list of one."""
    if isinstance(value, str | bytes | os.PathLike) or not isinstance(value, Iterable):
        return (value,)
    if not isinstance(value, Sequence | Iterator):  # a set has no order, a mapping more than that
        raise _UnfitError("no list")
    return value


def _as_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Path):
        return os.fspath(value)
    if _is_number(value):
        return str(value)
    raise _UnfitError("no text")


def _as_path(value: Any) -> Path:
    if isinstance(value, str):
        return Path(value)
    if not isinstance(value, Path):
        raise _UnfitError("no path")
    return value


def _as_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise _UnfitError("neither True nor False")
    return value


def _as_int(value: Any) -> int:
    if not (_is_number(value) and isinstance(value, Integral)):
        raise _UnfitError("no whole number")
    return int(value)


def _as_float(value: Any) -> float:
    if not _is_number(value):
        raise _UnfitError("no number")
    return float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


_AS_TYPE: Mapping[Any, Callable[[Any], Any]] = MappingProxyType(
    {str: _as_text, Path: _as_path, bool: _as_bool, int: _as_int, float: _as_float}
)
