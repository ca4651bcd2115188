"""The three levels of a trimap, for modules that must not load OpenCV."""

from __future__ import annotations

__all__ = ["BACKGROUND", "FOREGROUND", "UNKNOWN"]

BACKGROUND, UNKNOWN, FOREGROUND = 0, 128, 255
