"""The table of models. Rows are written out; nothing registers itself."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from mattecli.errors import UsageError
from mattecli.models.spec import ModelSpec

if TYPE_CHECKING:
    from mattecli.models.base import MattingModel

__all__ = ["DEFAULT_MODEL", "MODELS", "find_spec", "model_class", "network_specs"]

DEFAULT_MODEL = "modnet"

_MODNET = "Ke et al., MODNet, AAAI 2022, arXiv 2011.11961 (versions 1 and 2)"
_MODNET_KEYS: dict[str, tuple[int | None, ...]] = {
    "f_branch.conv_f.0.layers.0.weight": (16, 35, 3, 3)
}


def _modnet(name: str, title: str, *, weights: str = "", built_in: str = "") -> ModelSpec:
    return ModelSpec(
        name=name,
        title=title,
        paper=_MODNET,
        module="mattecli.models.modnet",
        factory="MODNet",
        size_rule="short-side",
        size=512,
        multiple=32,
        minimum=32,
        pixel_bytes=350,
        signature=_MODNET_KEYS,
        licence="Apache-2.0",
        weights=weights,
        built_in=built_in,
        half_is_sound=bool(built_in),  # measured, see the weights' card
        built_in_size=416 if built_in else 0,  # likewise
    )


_SHM = ModelSpec(
    name="shm",
    title="people, from the photo alone; half as large",
    paper="Chen et al., Semantic Human Matting, ACM Multimedia 2018, arXiv 1809.01354",
    module="mattecli.models.shm",
    factory="SHM",
    size_rule="short-side",
    size=320,
    multiple=16,
    minimum=16,
    pixel_bytes=600,
    signature={
        "t_net.feature.head_conv.0.weight": (32, 3, 3, 3),
        "m_net.en_conv_bn_relu_1.0.weight": (16, 6, 3, 3),
    },
    licence="Apache-2.0",  # of the weights inside the package; none are published
    built_in="shm.safetensors",
    built_in_size=304,  # measured, see the weights' card
)

_DIM = "Xu et al., Deep Image Matting, CVPR 2017, arXiv 1703.03872"
_DIM_LICENCE = "non-commercial (terms of the training data)"

_DIM_VGG = ModelSpec(
    name="dim",
    title="any subject, from a trimap",
    paper=_DIM,
    module="mattecli.models.dim",
    factory="DIM",
    needs=frozenset({"trimap"}),
    multiple=32,
    minimum=32,
    grid=32,
    reach=212,
    pixel_bytes=1320,
    signature={"conv1_1.weight": (64, 4, 3, 3), "deconv6_1.weight": (512, 512, 1, 1)},
    licence=_DIM_LICENCE,
    weights="dim",
)

_DIM_SEGNET = ModelSpec(
    name="dim:segnet",
    title="any subject, from a trimap; without refinement",
    paper=_DIM,
    module="mattecli.models.dim_segnet",
    factory="DIMSegNet",
    needs=frozenset({"trimap"}),
    minimum=32,
    grid=32,
    reach=158,
    pixel_bytes=1000,
    signature={
        "down1.conv1.cbr_unit.0.weight": (64, 4, 3, 3),
        "up1.conv.cbr_unit.0.weight": (1, 64, 5, 5),
    },
    licence=_DIM_LICENCE,
    weights="dim:segnet",
)


_BGM = ModelSpec(
    name="bgm",
    title="people, from the photo, its empty background and a rough mask; 512 pixels",
    paper="Sengupta et al., Background Matting: The World is Your Green Screen, CVPR 2020",
    module="mattecli.models.bgm",
    factory="BGM",
    needs=frozenset({"background", "segmentation"}),
    size_rule="fixed",
    size=512,
    multiple=4,
    minimum=8,
    signature={"model_enc_multi.1.weight": (64, 4, 7, 7), "comb_multi.0.weight": (64, 512, 1, 1)},
    licence="CC BY-NC-SA 4.0: non-commercial use only",
    weights="bgm",
)

_BGMV2_KEYS: dict[str, dict[str, tuple[int | None, ...] | None]] = {
    "bgmv2": {"backbone.features.0.0.weight": (32, 6, 3, 3)},
    "bgmv2:resnet50": {
        "backbone.layer3.5.conv1.weight": (256, 1024, 1, 1),
        "backbone.layer3.6.conv1.weight": None,
    },
    "bgmv2:resnet101": {"backbone.layer3.22.conv1.weight": (256, 1024, 1, 1)},
}


def _bgmv2(name: str, title: str, *, built_in: str = "") -> ModelSpec:
    return ModelSpec(
        name=name,
        title=title,
        paper="Lin et al., Real-Time High-Resolution Background Matting, CVPR 2021",
        module="mattecli.models.bgmv2",
        factory="BGMv2",
        needs=frozenset({"background"}),
        multiple=4,
        minimum=16,
        signature={"decoder.conv4.weight": (37, None, 3, 3)} | _BGMV2_KEYS[name],
        licence="MIT",
        weights=name,
        built_in=built_in,
    )


def _classical(
    name: str, title: str, paper: str, *, reach: int = 0, pixel_bytes: int = 0
) -> ModelSpec:
    return ModelSpec(
        name=name,
        title=title,
        paper=paper,
        module="mattecli.models.classical",
        factory="solve",
        kind="classical",
        needs=frozenset({"trimap"}),
        reach=reach,
        pixel_bytes=pixel_bytes,
        licence="none needed (no weights; PyMatting is MIT)",
    )


_ROWS = (
    _modnet("modnet", "people, from the photo alone", built_in="modnet.safetensors"),
    _modnet(
        "modnet:photographic",
        "MODNet's authors' weights for photos",
        weights="modnet:photographic",
    ),
    _modnet("modnet:webcam", "MODNet's authors' weights for webcams", weights="modnet:webcam"),
    _SHM,
    _DIM_VGG,
    _DIM_SEGNET,
    _BGM,
    _bgmv2(
        "bgmv2",
        "any subject, from the photo and its empty background; up to 4K",
        built_in="bgmv2.safetensors",
    ),
    _bgmv2("bgmv2:resnet50", "the same on a larger encoder"),
    _bgmv2("bgmv2:resnet101", "the same on the largest encoder"),
    _classical(
        "closed-form",
        "any subject, from a trimap; the usual choice without weights",
        "Levin et al., A Closed-Form Solution to Natural Image Matting, TPAMI 2008",
        reach=80,
        pixel_bytes=2000,
    ),
    _classical("knn", "any subject, from a trimap", "Chen et al., KNN Matting, TPAMI 2013"),
    _classical(
        "lkm",
        "any subject, from a trimap; large kernels, little memory",
        "He et al., Fast Matting Using Large Kernel Matting Laplacian Matrices, CVPR 2010",
        reach=80,
        pixel_bytes=400,
    ),
    _classical(
        "rw",
        "any subject, from a trimap",
        "Grady et al., Random Walks for Interactive Alpha-Matting, VIIP 2005",
        reach=144,
        pixel_bytes=2000,
    ),
    _classical(
        "lbdm",
        "any subject, from a trimap",
        "Zheng and Kambhamettu, Learning Based Digital Matting, ICCV 2009",
        reach=80,
        pixel_bytes=2000,
    ),
)

MODELS: dict[str, ModelSpec] = {row.name: row for row in _ROWS}
"""All models by name, in the order in which they are listed."""


def find_spec(name: str) -> ModelSpec:
    """The row called ``name``.

    Raises:
        UsageError: no such model; lists those that exist.
    """
    try:
        return MODELS[name]
    except KeyError:
        known = ", ".join(MODELS)
        raise UsageError(f"there is no model {name!r}", remedy=f"choose one of: {known}") from None


def network_specs() -> list[ModelSpec]:
    """The rows that are networks."""
    return [row for row in MODELS.values() if row.kind == "network"]


def model_class(spec: ModelSpec) -> type[MattingModel]:
    """The network's class; imports its module (and torch)."""
    found: type[MattingModel] = getattr(import_module(spec.module), spec.factory)
    return found
