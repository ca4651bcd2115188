"""The parser of all commands: results have one place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import typer
from typer.core import TyperCommand

from mattecli.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["StrictCommand"]

_ONCE = frozenset({"output"})
"""Options whose second value is a slip, such as ``-om a.jpg -o b.png``. Of others the last counts,
so that scripts and aliases can be overruled.
"""

_GLUED = re.compile(r"(-[A-Za-z])(.+)", re.DOTALL)


class StrictCommand(TyperCommand):
    """A command that refuses a second place, where its parser would forget the first."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]  # Typer's own context is of another type
        """As the parser does.

        Raises:
            UsageError: an option that is given once is given again.
        """
        _, _, found = self.make_parser(ctx).parse_args(args=list(args))
        for parameter in found:
            if parameter.name in _ONCE and found.count(parameter) > 1:
                flags = parameter.opts
                raise UsageError(
                    f"{' or '.join(flags)} is given more than once",
                    remedy=f"give it once{_told_words(args, flags)}",
                )
        return super().parse_args(ctx, args)


def _told_words(words: Sequence[str], flags: Sequence[str]) -> str:
    """What words such as ``-om`` mean to a parser, for those who meant ``-o -m``."""
    glued = [match for match in map(_GLUED.fullmatch, words) if match and match[1] in flags]
    return "".join(f"; {match[0]} means {match[1]} {match[2]}" for match in glued[:1])
