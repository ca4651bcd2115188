"""How Deep Image Matting is trained, in its paper's stages."""

from __future__ import annotations

from mattecli.training.recipe import Optimiser, Phase, Rate, Recipe

__all__ = ["DIM"]

DIM = Recipe(
    system="dim",
    phases=(
        Phase(name="alpha", steps=100_000, batch=1, sizes=((320, 320),), rate=Rate(peak=1e-5)),
        Phase(name="matting", steps=100_000, batch=1, sizes=((320, 320),), rate=Rate(peak=1e-5)),
        Phase(
            name="refine",
            steps=50_000,
            batch=1,
            sizes=((320, 320),),
            rate=Rate(peak=1e-5),
            factors={"refine_": 1.0, "": 0.0},
        ),
        Phase(name="joint", steps=50_000, batch=1, sizes=((320, 320),), rate=Rate(peak=1e-5)),
    ),
    optimiser=Optimiser(kind="adam"),
    multiple=32,
    save_every=500,
)
