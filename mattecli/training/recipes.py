"""The recipes that come with the package.

Losses, rates and batches are those of each paper or its reference, except the rates and batches of
``modnet``, ``shm`` and ``bgmv2``: these made the package's own weights, from some thousands of
labelled photos.
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
from mattecli.training.phases.bgm import BGM
from mattecli.training.phases.bgmv2 import BGMV2
from mattecli.training.phases.dim import DIM
from mattecli.training.phases.modnet import MODNET
from mattecli.training.phases.shm import SHM
from mattecli.training.recipe import Recipe
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
        "modnet": Row(MODNET, _modnet),
        "shm": Row(SHM, _shm),
        "dim": Row(DIM, _dim),
        "bgm": Row(BGM, _bgm),
        "bgmv2": Row(BGMV2, _bgmv2),
    }
)
"""All recipes by name."""
