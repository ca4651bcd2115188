"""The kinds of object stores: those whose uploads appear whole, or not at all."""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["SCHEMES"]

SCHEMES = MappingProxyType({"s3": "s3fs", "gs": "gcsfs"})
"""What a URL begins with, and the package that fsspec needs for it."""
