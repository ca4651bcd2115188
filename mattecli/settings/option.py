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
        env: True: settable by ``MATTECLI_<FIELD>``; False: not settable by the environment; a text
            T: settable only by ``MATTECLI_T`` and, in a configuration file, only in this command's
            own table, because other commands use the same field name for something else.
    """
    metadata = {"flags": flags, "help": help, "metavar": metavar, "env": env}
    return field(default=default, metadata=metadata)
