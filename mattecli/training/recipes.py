"""The recipes that come with the package."""

from __future__ import annotations

from mattecli.training.recipe import Optimiser, Phase, Rate, Recipe

__all__ = ["MODNET"]

_TINY = ((192, 192), (192, 256), (256, 192), (160, 256), (224, 160), (224, 224), (160, 288))
_SMALL = ((256, 256), (256, 352), (352, 256), (224, 352), (320, 224), (288, 288), (224, 416))
_MEDIUM = (
    (384, 384), (352, 480), (480, 352), (320, 512), (448, 320), (416, 288), (288, 288), (320, 416)
)
_LARGE = (
    (512, 512), (512, 640), (640, 448), (448, 672), (576, 416), (384, 576), (416, 416), (544, 384)
)

MODNET = Recipe(
    system="modnet",
    phases=(
        Phase(
            name="tiny",
            steps=2500,
            batch=8,
            sizes=_TINY,
            rate=Rate(peak=1e-3, warmup=200),
            factors={"backbone.": 0.3},
        ),
        Phase(
            name="small",
            steps=4000,
            batch=8,
            sizes=_SMALL,
            rate=Rate(peak=1e-3),
            factors={"backbone.": 0.3},
        ),
        Phase(
            name="medium",
            steps=4000,
            batch=8,
            sizes=_MEDIUM,
            rate=Rate(peak=7e-4, shape="linear", end=0.5),
            factors={"backbone.": 0.3},
        ),
        Phase(
            name="large",
            steps=5000,
            batch=8,
            sizes=_LARGE,
            rate=Rate(peak=3.5e-4, shape="cosine", end=0.02),
            factors={"backbone.": 0.3},
        ),
    ),
    optimiser=Optimiser(kind="adamw", betas=(0.9, 0.99), weight_decay=0.01, clip_norm=10.0),
    average=0.998,
    log_every=20,
    save_every=100,
    check_every=500,
    sheet_every=1000,
)
