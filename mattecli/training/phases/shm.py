"""How Semantic Human Matting is trained: T-Net, M-Net, both."""

from __future__ import annotations

from mattecli.training.phases.shared import ADAMW, MEDIUM, SMALL
from mattecli.training.recipe import Phase, Rate, Recipe

__all__ = ["SHM"]

_PORTRAIT = (
    *((256, 384), (384, 256), (288, 416), (416, 288), (320, 480), (480, 320)),
    *((288, 288), (320, 320), (352, 352)),
)

# T-Net's encoder begins as MODNet's, which knows what a person is; its decoder is new. M-Net sees
# only the surroundings of a pixel, and soon learns what it can.
SHM = Recipe(
    system="shm",
    phases=(
        Phase(
            name="trimap",
            steps=600,
            batch=16,
            sizes=SMALL,
            rate=Rate(peak=1e-3, warmup=50, shape="linear", end=0.3),
            factors={"t_net.feature.": 0.3, "m_net.": 0.0},
            plain=0.5,
            strands=0.2,
        ),
        Phase(
            name="matting",
            steps=400,
            batch=8,
            sizes=((320, 320),),
            rate=Rate(peak=1e-3, warmup=50, shape="linear", end=0.3),
            factors={"t_net.": 0.0},
            plain=0.5,
            strands=0.2,
        ),
        Phase(
            name="joint",
            steps=900,
            batch=8,
            sizes=MEDIUM,
            rate=Rate(peak=5e-4, warmup=50, shape="cosine", end=0.01),
            factors={"t_net.feature.": 0.3},
            plain=0.5,
            strands=0.2,
        ),
        Phase(
            name="trimap-long",
            steps=3000,
            batch=16,
            sizes=(*SMALL, (288, 288), (256, 352), (352, 256)),
            rate=Rate(peak=8e-4, warmup=100, shape="linear", end=0.15),
            factors={"t_net.feature.": 0.5, "m_net.": 0.0},
            plain=0.5,
            strands=0.2,
        ),
        Phase(
            name="joint-long",
            steps=1500,
            batch=8,
            sizes=_PORTRAIT,
            rate=Rate(peak=6e-4, warmup=100, shape="cosine", end=0.01),
            factors={"t_net.feature.": 0.5},
            plain=0.8,
            strands=0.1,
        ),
    ),
    optimiser=ADAMW,
    multiple=16,
    average=0.998,
    save_every=100,
    check_every=400,
)
