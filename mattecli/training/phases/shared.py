"""What several recipes share: the optimiser, and heights and widths of training pictures."""

from __future__ import annotations

from mattecli.training.recipe import Optimiser

__all__ = ["ADAMW", "LARGE", "MEDIUM", "SMALL"]

ADAMW = Optimiser(kind="adamw", betas=(0.9, 0.99), weight_decay=0.01, clip_norm=10.0)

SMALL = ((224, 224), (224, 288), (288, 224), (192, 288), (256, 192), (256, 256), (192, 320))
MEDIUM = ((320, 320), (288, 416), (416, 288), (256, 416), (352, 256), (352, 352), (288, 288))
LARGE = ((448, 448), (416, 576), (576, 416), (384, 608), (512, 384), (512, 512), (544, 384))
