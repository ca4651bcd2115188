"""How Background Matting is trained: with labels, then against a discriminator."""

from __future__ import annotations

from mattecli.training.recipe import Optimiser, Phase, Rate, Recipe

__all__ = ["BGM"]

BGM = Recipe(
    system="bgm",
    phases=(
        Phase(
            name="supervised",
            steps=200_000,
            batch=4,
            sizes=((512, 512),),
            rate=Rate(peak=1e-4),
            factors={"teacher.": 0.0, "discriminator.": 0.0},
        ),
        Phase(
            name="adversarial",
            steps=50_000,
            batch=4,
            sizes=((512, 512),),
            rate=Rate(peak=1e-4),
            factors={"teacher.": 0.0, "discriminator.": 0.1},
            restart=True,
        ),
    ),
    optimiser=Optimiser(kind="adam"),
    multiple=4,
)
