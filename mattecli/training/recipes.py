"""The recipes that come with the package.

Losses are those of each paper or its reference, rates and batches too, but for ``modnet`` and
``bgmv2``: with those the package's own weights were made, on some thousands of labelled photos.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from mattecli.training.bgm import BGMSystem
from mattecli.training.bgmv2 import BGMv2System
from mattecli.training.dim import DIMSystem
from mattecli.training.modnet import MODNetSystem
from mattecli.training.recipe import Optimiser, Phase, Rate, Recipe
from mattecli.training.shm import SHMSystem
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


_SMALL = ((224, 224), (224, 288), (288, 224), (192, 288), (256, 192), (256, 256), (192, 320))
_MEDIUM = ((320, 320), (288, 416), (416, 288), (256, 416), (352, 256), (352, 352), (288, 288))
_LARGE = ((448, 448), (416, 576), (576, 416), (384, 608), (512, 384), (512, 512), (544, 384))

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

# The semantic branch learns what a person is, which takes most pictures, and costs a third of the
# whole network; the others learn borders, which takes few. From "semantic-plain" on half of the
# pictures, in the end most, are photos as they lie there, since such are what a folder holds; and
# some people get loose hair, which labels made by networks leave out. The long phases want a GPU,
# which takes a batch four times as large at twice the rate.
_MODNET = Recipe(
    system="modnet",
    phases=(
        Phase(
            name="semantic-small",
            steps=3000,
            batch=16,
            sizes=_SMALL,
            rate=Rate(peak=1e-3, warmup=200),
            factors={**_SLOWER, **_REST},
        ),
        Phase(
            name="semantic-medium",
            steps=6000,
            batch=16,
            sizes=_MEDIUM,
            rate=Rate(peak=1e-3, shape="linear", end=0.6),
            factors={**_SLOWER, **_REST},
        ),
        Phase(
            name="medium",
            steps=3000,
            batch=8,
            sizes=_MEDIUM,
            rate=Rate(peak=1e-3, shape="linear", end=0.5),
            factors=_SLOWER,
        ),
        Phase(
            name="large",
            steps=1650,
            batch=8,
            sizes=_LARGE,
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
            sizes=_MEDIUM + _CLOSING,
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
            sizes=_MEDIUM + _CLOSING,
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
    optimiser=Optimiser(kind="adamw", betas=(0.9, 0.99), weight_decay=0.01, clip_norm=10.0),
    multiple=32,
    average=0.998,
    log_every=20,
    save_every=100,
    check_every=500,
    sheet_every=1000,
)


_DIM = Recipe(
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

_PORTRAIT = (
    *((256, 384), (384, 256), (288, 416), (416, 288), (320, 480), (480, 320)),
    *((288, 288), (320, 320), (352, 352)),
)

# T-Net's encoder begins as MODNet's, which knows what a person is; its decoder is new. M-Net sees
# only the surroundings of a pixel, and learns soon what it can.
_SHM = Recipe(
    system="shm",
    phases=(
        Phase(
            name="trimap",
            steps=600,
            batch=16,
            sizes=_SMALL,
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
            sizes=_MEDIUM,
            rate=Rate(peak=5e-4, warmup=50, shape="cosine", end=0.01),
            factors={"t_net.feature.": 0.3},
            plain=0.5,
            strands=0.2,
        ),
        Phase(
            name="trimap-long",
            steps=3000,
            batch=16,
            sizes=(*_SMALL, (288, 288), (256, 352), (352, 256)),
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
    optimiser=Optimiser(kind="adamw", betas=(0.9, 0.99), weight_decay=0.01, clip_norm=10.0),
    multiple=16,
    average=0.998,
    save_every=100,
    check_every=400,
)

_BGM = Recipe(
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

# What a quarter of a picture in HD comes to; and what is refined.
_COARSE = ((224, 224), (256, 256), (224, 320), (320, 224), (256, 384), (384, 256), (288, 288))
_LARGER_COARSE = (
    *((288, 288), (256, 384), (384, 256), (320, 320)),
    *((256, 448), (272, 480), (384, 288), (224, 352)),
)
_REFINED = ((896, 896),)

_BGMV2 = Recipe(
    system="bgmv2",
    phases=(
        Phase(
            name="base",
            steps=3200,
            batch=8,
            sizes=_COARSE,
            rate=Rate(peak=1e-3, warmup=100, shape="cosine", end=0.1),
            factors={**_SLOWER, "refiner.": 0.0},
        ),
        Phase(
            name="base-long",
            steps=2400,
            batch=8,
            sizes=_LARGER_COARSE,
            rate=Rate(peak=7e-4, warmup=50, shape="cosine", end=0.02),
            factors={**_SLOWER, "refiner.": 0.0},
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
    optimiser=Optimiser(kind="adamw", betas=(0.9, 0.99), weight_decay=0.01, clip_norm=10.0),
    least_batch=2,
    average=0.998,
    save_every=100,
)


def _modnet(material: Material) -> System:
    return MODNetSystem(material.store, material.held_out, material.pretrained)


def _dim(material: Material) -> System:
    return DIMSystem(material.store, material.pretrained)


def _shm(material: Material) -> System:
    return SHMSystem(material.store, material.held_out, material.pretrained)


def _bgm(material: Material) -> System:
    return BGMSystem(material.store)


def _bgmv2(material: Material) -> System:
    return BGMv2System(material.store, material.pretrained)


RECIPES: Mapping[str, Row] = MappingProxyType(
    {
        "modnet": Row(_MODNET, _modnet),
        "shm": Row(_SHM, _shm),
        "dim": Row(_DIM, _dim),
        "bgm": Row(_BGM, _bgm),
        "bgmv2": Row(_BGMV2, _bgmv2),
    }
)
"""All recipes by name."""
