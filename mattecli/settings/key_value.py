"""``--set KEY=VALUE``."""

from __future__ import annotations

from collections.abc import Sequence

from mattecli.errors import UsageError

__all__ = ["parse_settings"]


def parse_settings(texts: Sequence[str]) -> dict[str, str]:
    """``KEY=VALUE`` texts by key.

    Raises:
        UsageError: one of them is none.
    """
    settings: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise UsageError(f"--set {text!r} is no setting", remedy="give KEY=VALUE")
        settings[name] = value
    return settings
