"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Finding", "Verdict"]

Verdict: TypeAlias = Literal["ok", "note", "problem"]
"""A note costs speed or a format; a problem makes a command fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was looked at, what was found, and what to do about it.

    Attributes:
        subject: what was looked at.
        detail: what was found, in one line.
        verdict: whether it is as it should be.
        remedy: what to do; "" where nothing is to be done.
    """

    subject: str
    detail: str
    verdict: Verdict = "ok"
    remedy: str = ""
