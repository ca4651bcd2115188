"""Heights and widths of training pictures that several recipes share."""

from __future__ import annotations

__all__ = ["LARGE", "MEDIUM", "SMALL"]

SMALL = ((224, 224), (224, 288), (288, 224), (192, 288), (256, 192), (256, 256), (192, 320))
MEDIUM = ((320, 320), (288, 416), (416, 288), (256, 416), (352, 256), (352, 352), (288, 288))
LARGE = ((448, 448), (416, 576), (576, 416), (384, 608), (512, 384), (512, 512), (544, 384))
