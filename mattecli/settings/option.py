"""How a dataclass field becomes an option of the library, the command line and the rest."""

from __future__ import annotations

from dataclasses import field
from typing import Any

__all__ = ["option"]


def option(default: Any, *flags: str, help: str, metavar: str = "", env: bool | str = True) -> Any:
    """A dataclass field that is also an option.

    Args:
        default: its value when nobody says otherwise.
        flags: ``--long`` and ``-s`` forms; none makes the field a list of arguments.
        help: one line for ``--help``.
        metavar: what the value is called in ``--help``.
        env: whether the environment may set it; a text: by this name alone, after ``MATTECLI_``,
            since the option means something else than other commands' of its name, with whose value
            it must not be confused, in a file's common part neither.
    """
    metadata = {"flags": flags, "help": help, "metavar": metavar, "env": env}
    return field(default=default, metadata=metadata)
