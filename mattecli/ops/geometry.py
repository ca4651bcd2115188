"""Arithmetic of lengths."""

from __future__ import annotations

__all__ = ["rounded_up"]


def rounded_up(length: int, multiple: int) -> int:
    """The least multiple of ``multiple`` that is not below ``length``."""
    return -(-length // multiple) * multiple
