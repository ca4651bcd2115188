"""A system's published script, with the options that its command line has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from mattecli.engine.reference.bgm import bgm_reference
from mattecli.engine.reference.bgmv2 import bgmv2_reference
from mattecli.engine.reference.dim import VGGScript, dim_reference, dim_segnet_reference
from mattecli.engine.reference.modnet import modnet_reference
from mattecli.engine.reference.records import ReferenceInput, ReferenceResult
from mattecli.engine.reference.shm import shm_reference
from mattecli.errors import UsageError
from mattecli.models.spec import ModelSpec
from mattecli.records import Size

__all__ = ["SCRIPT_SETTINGS", "ReferenceScript", "find_reference"]

ReferenceScript = Callable[[Any, ReferenceInput], ReferenceResult]
"""Takes the network (each script its own class, in evaluation mode) and one photo."""

_SCRIPTS: Mapping[str, Callable[..., ReferenceResult]] = {
    "modnet": modnet_reference,
    "shm": shm_reference,
    "dim": dim_reference,
    "dim:segnet": dim_segnet_reference,
    "bgm": bgm_reference,
    "bgmv2": bgmv2_reference,
}
"""By the name of a registry row, or of its system."""

SCRIPT_SETTINGS: Mapping[str, frozenset[str]] = {"dim": frozenset({"method", "max_size", "size"})}
"""Names of the settings that a row's script has, besides those of its network."""


def find_reference(
    spec: ModelSpec, size: int | None = None, settings: Mapping[str, str] | None = None
) -> ReferenceScript:
    """The script that belongs to a registry row.

    Args:
        spec: the row.
        size: side of the square that the network sees in SHM's script.
        settings: ``method`` (whole, resize, crop), ``max_size`` and ``size`` (WxH) of DIM's script.

    Raises:
        UsageError: there is no script, or it has no such option.
    """
    script = _SCRIPTS.get(spec.name) or _SCRIPTS.get(spec.system)
    if script is None:
        raise UsageError(
            f"there is no published script for {spec.name}", remedy="leave out --reference"
        )
    if size is not None and spec.system != "shm":
        raise UsageError(
            f"the script of {spec.name} has its own size", remedy="leave out --size or --reference"
        )
    if size is not None:
        return partial(script, side=size)
    return partial(script, script=_vgg_script(settings)) if settings else script


def _vgg_script(settings: Mapping[str, str]) -> VGGScript:
    values: dict[str, Any] = {}
    for name, text in settings.items():
        try:
            values[name] = _PARSERS[name](text)
        except (KeyError, ValueError):
            raise UsageError(
                f"the script has no option {name}={text}",
                remedy="give method=whole|resize|crop, max_size=N or size=WxH, in multiples of 32",
            ) from None
    return VGGScript(**values)


def _method(text: str) -> str:
    if text not in ("whole", "resize", "crop"):
        raise ValueError(text)
    return text


def _multiple_of_32(text: str) -> int:
    side = int(text)
    if side <= 0 or side % 32:
        raise ValueError(text)
    return side


def _size(text: str) -> Size:
    width, height = text.split("x")
    return Size(_multiple_of_32(width), _multiple_of_32(height))


_PARSERS: Mapping[str, Callable[[str], Any]] = {
    "method": _method,
    "max_size": _multiple_of_32,
    "size": _size,
}
