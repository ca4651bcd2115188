"""Options by their names alone, whichever group of a record they are in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from mattecli.errors import UsageError
from mattecli.settings.checked import Checked

__all__ = ["with_values"]

R = TypeVar("R", bound=Checked)


def with_values(options: R, values: Mapping[str, object]) -> R:
    """A record with other values of some options.

    Args:
        options: a record of groups.
        values: by the names of the groups' fields.

    Raises:
        UsageError: no group has such a field, or the value cannot be right.
    """
    groups: dict[str, Any] = {
        item.name: getattr(options, item.name)
        for item in fields(options)  # type: ignore[arg-type]  # all records are dataclasses
    }
    for name, value in values.items():
        holder = next((key for key, group in groups.items() if _has(group, name)), None)
        if holder is None:
            raise UsageError(
                f"{name!r} is no option of {type(options).__name__}", remedy="see its groups"
            )
        groups[holder] = replace(groups[holder], **{name: value})
    return replace(options, **groups)  # type: ignore[type-var]  # all records are dataclasses


def _has(group: Any, name: str) -> bool:
    return name in {item.name for item in fields(group)}
