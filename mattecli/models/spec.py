"""What a matting model needs and how it is recognised, as data (no torch here)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["ModelSpec", "Need", "SizeRule"]

Need = Literal["trimap", "background", "segmentation"]
"""An input besides the photo: a trimap, a background plate, a rough subject mask."""

SizeRule = Literal["full", "short-side", "fixed"]
"""At which size the network sees a photo.

full
    Its own size, padded up to ``multiple``.
short-side
    Scaled so that the shorter side is ``size``, both sides rounded to ``multiple``.
fixed
    A square of ``size``; the aspect ratio is not kept.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One row of the registry.

    Attributes:
        name: name on the command line, ``system`` or ``system:variant``.
        title: one line for people.
        paper: where the method is published.
        module: module that holds the implementation, imported only when asked for.
        factory: name of the class in ``module``.
        kind: ``network`` (torch, weights) or ``classical`` (a solver without weights).
        needs: inputs besides the photo.
        size_rule, size, multiple, minimum: at which size the network sees a photo; ``multiple``
            is what both sides must divide by, ``minimum`` the smallest side.
        half_is_sound: with the weights inside the package, layers in 16 bits change alpha by less
            than 1e-3 on average and 0.02 at the 99.9th percentile; ``--precision auto`` may use
            16 bits.
        grid: tiles of a photo begin at multiples of it, so that poolings fall as in the whole.
        reach: how far away, in pixels, a change of the input can change the alpha; 0: anywhere,
            and the photo is not computed in tiles.
        pixel_bytes: memory that the network takes for each pixel in float32, weights left out.
        signature: state-dict keys and shapes by which a checkpoint is recognised
            (after a ``module.`` prefix is taken off); ``None`` in a shape matches any length, and
            instead of a shape it says that the key must be absent.
        licence: licence of the weights.
        weights: name of the row in the table of published files, or "" if none exist.
        built_in: file name of weights inside the package, or "".
        built_in_size: ``size`` for those weights, if they work best at another; 0: the same.
    """

    name: str
    title: str
    paper: str
    module: str
    factory: str
    kind: Literal["network", "classical"] = "network"
    needs: frozenset[Need] = frozenset()
    size_rule: SizeRule = "full"
    size: int = 0
    multiple: int = 1
    minimum: int = 1
    half_is_sound: bool = False
    grid: int = 1
    reach: int = 0
    pixel_bytes: int = 0
    signature: Mapping[str, tuple[int | None, ...] | None] = field(default_factory=dict)
    licence: str = ""
    weights: str = ""
    built_in: str = ""
    built_in_size: int = 0

    @property
    def system(self) -> str:
        """The name without its variant."""
        return self.name.partition(":")[0]

    @property
    def variant(self) -> str:
        """The part of the name after the colon, or ""."""
        return self.name.partition(":")[2]
