"""How MODNet is trained: its semantic branch first, then all of it."""

from __future__ import annotations

from mattecli.training.phases.shared import ADAMW, LARGE, MEDIUM, SMALL
from mattecli.training.recipe import Phase, Rate, Recipe

__all__ = ["MODNET"]

_CLOSING = (
    *((416, 608), (608, 416), (416, 544), (544, 416)),
    *((448, 448), (416, 416), (384, 576), (576, 384)),
)

_BROAD = (
    *((416, 608), (608, 416), (448, 640), (640, 448), (416, 416)),
    *((480, 480), (512, 512), (512, 704), (704, 512)),
)

_REST = {"hr_branch.": 0.0, "f_branch.": 0.0}  # while the semantic branch is trained alone
_SLOWER = {"backbone.": 0.3}
_HALF = {"backbone.": 0.5}

# The semantic branch learns what a person is. That takes the most pictures, so it is trained alone
# first, in a third of the time of the whole network; the other branches learn borders, which takes
# few pictures. From "semantic-plain" on, half of the pictures, and in the end most, are labelled
# photos as they are, since such are what a folder holds; and some people get loose hair, which
# labels made by networks leave out. The long phases want a GPU, where a batch four times as large
# and twice the rate serve as well.
MODNET = Recipe(
    system="modnet",
    phases=(
        Phase(
            name="semantic-small",
            steps=3000,
            batch=16,
            sizes=SMALL,
            rate=Rate(peak=1e-3, warmup=200),
            factors={**_SLOWER, **_REST},
        ),
        Phase(
            name="semantic-medium",
            steps=6000,
            batch=16,
            sizes=MEDIUM,
            rate=Rate(peak=1e-3, shape="linear", end=0.6),
            factors={**_SLOWER, **_REST},
        ),
        Phase(
            name="medium",
            steps=3000,
            batch=8,
            sizes=MEDIUM,
            rate=Rate(peak=1e-3, shape="linear", end=0.5),
            factors=_SLOWER,
        ),
        Phase(
            name="large",
            steps=1650,
            batch=8,
            sizes=LARGE,
            rate=Rate(peak=5e-4, shape="cosine", end=0.02),
            factors=_SLOWER,
        ),
        Phase(
            name="closing",
            steps=1800,
            batch=8,
            sizes=_CLOSING,
            rate=Rate(peak=4e-4, warmup=50, shape="cosine", end=0.01),
            factors=_SLOWER,
        ),
        Phase(
            name="semantic-plain",
            steps=2000,
            batch=16,
            sizes=MEDIUM + _CLOSING,
            rate=Rate(peak=7e-4, warmup=50, shape="linear", end=0.15),
            factors={**_SLOWER, **_REST},
            plain=0.5,
            strands=0.2,
        ),
        Phase(
            name="plain",
            steps=1400,
            batch=8,
            sizes=_CLOSING,
            rate=Rate(peak=4e-4, warmup=50, shape="cosine", end=0.01),
            factors=_SLOWER,
            plain=0.5,
            strands=0.2,
        ),
        Phase(
            name="long-medium",
            steps=4800,
            batch=8,
            sizes=MEDIUM + _CLOSING,
            rate=Rate(peak=5e-4, warmup=200, shape="cosine", end=0.6),
            factors=_HALF,
            plain=0.5,
            strands=0.2,
        ),
        Phase(
            name="long-broad",
            steps=8000,
            batch=8,
            sizes=_BROAD,
            rate=Rate(peak=3e-4, shape="cosine", end=0.01),
            factors=_HALF,
            plain=0.5,
            strands=0.2,
        ),
        Phase(
            name="mostly-plain",
            steps=1000,
            batch=8,
            sizes=_CLOSING,
            rate=Rate(peak=3e-4, warmup=50, shape="cosine", end=0.01),
            factors=_SLOWER,
            plain=0.85,
            strands=0.1,
        ),
    ),
    optimiser=ADAMW,
    multiple=32,
    average=0.998,
    log_every=20,
    save_every=100,
    check_every=500,
    sheet_every=1000,
)
