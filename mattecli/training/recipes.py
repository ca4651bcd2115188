"""The recipes that come with the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mattecli.training.modnet import MODNetSystem
from mattecli.training.recipe import Optimiser, Phase, Rate, Recipe
from mattecli.training.store import PictureStore
from mattecli.training.system import System

__all__ = ["RECIPES", "Material", "Row"]


@dataclass(frozen=True, slots=True)
class Material:
    """What a training is made from.

    Attributes:
        store: labelled photos and backgrounds.
        held_out: folder of labelled photos for validation; it may be missing.
        pretrained: weights of an encoder, or None.
    """

    store: PictureStore
    held_out: Path
    pretrained: Path | None


@dataclass(frozen=True, slots=True)
class Row:
    """A recipe and what it trains."""

    recipe: Recipe
    system: Callable[[Material], System]


_TINY = ((192, 192), (192, 256), (256, 192), (160, 256), (224, 160), (224, 224), (160, 288))
_SMALL = ((256, 256), (256, 352), (352, 256), (224, 352), (320, 224), (288, 288), (224, 416))
_MEDIUM = (
    (384, 384),
    (352, 480),
    (480, 352),
    (320, 512),
    (448, 320),
    (416, 288),
    (288, 288),
    (320, 416),
)
_LARGE = (
    (512, 512),
    (512, 640),
    (640, 448),
    (448, 672),
    (576, 416),
    (384, 576),
    (416, 416),
    (544, 384),
)

_MODNET = Recipe(
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


def _modnet(material: Material) -> System:
    return MODNetSystem(material.store, material.held_out, material.pretrained)


RECIPES: Mapping[str, Row] = MappingProxyType({"modnet": Row(_MODNET, _modnet)})
"""All recipes by name."""
