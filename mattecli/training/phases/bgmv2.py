"""How Background Matting V2 is trained: its base, then with the refiner."""

from __future__ import annotations

from mattecli.training.phases.shared import ADAMW
from mattecli.training.recipe import Phase, Rate, Recipe

__all__ = ["BGMV2"]

# The base phases see sizes of about a quarter of HD.
_COARSE = ((224, 224), (256, 256), (224, 320), (320, 224), (256, 384), (384, 256), (288, 288))
_LARGER_COARSE = (
    *((288, 288), (256, 384), (384, 256), (320, 320)),
    *((256, 448), (272, 480), (384, 288), (224, 352)),
)
_REFINED = ((896, 896),)

BGMV2 = Recipe(
    system="bgmv2",
    phases=(
        Phase(
            name="base",
            steps=3200,
            batch=8,
            sizes=_COARSE,
            rate=Rate(peak=1e-3, warmup=100, shape="cosine", end=0.1),
            factors={"backbone.": 0.3, "refiner.": 0.0},
        ),
        Phase(
            name="base-long",
            steps=2400,
            batch=8,
            sizes=_LARGER_COARSE,
            rate=Rate(peak=7e-4, warmup=50, shape="cosine", end=0.02),
            factors={"backbone.": 0.3, "refiner.": 0.0},
        ),
        Phase(
            name="refine",
            steps=1300,
            batch=2,
            sizes=_REFINED,
            rate=Rate(peak=1e-3, warmup=30, shape="cosine", end=0.02),
            factors={"backbone.": 0.0, "aspp.": 0.0, "decoder.": 1 / 3},
            restart=True,
        ),
        Phase(
            name="refine-all",
            steps=1550,
            batch=2,
            sizes=_REFINED,
            rate=Rate(peak=7e-4, warmup=20, shape="cosine", end=0.02),
            factors={"backbone.": 0.03, "aspp.": 0.1, "decoder.": 1 / 3},
        ),
    ),
    optimiser=ADAMW,
    least_batch=2,
    average=0.998,
    save_every=100,
)
