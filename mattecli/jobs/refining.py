"""Detail at the photo's own resolution for alphas that a network found on a smaller photo."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

from mattecli.engine.estimator import Estimator, Matte, Photo, Prepared, Zeros
from mattecli.errors import ModelUnavailableError
from mattecli.jobs.workspace import Workspace
from mattecli.models.spec import ModelSpec
from mattecli.ops.pixels import Float32
from mattecli.ops.refine import band_trimap, enlarged_alpha, guided_alpha
from mattecli.ops.segmentation import crop
from mattecli.ops.trimap import UNKNOWN
from mattecli.records import Array, Size
from mattecli.settings import MatteOptions

__all__ = ["Refiner", "make_refiner", "refinement", "refining_spec"]

Refinement: TypeAlias = Literal["none", "guided", "closed-form", "dim"]


def refinement(spec: ModelSpec, options: MatteOptions) -> Refinement:
    """How the model's alphas are refined: as asked, or ``guided`` where it saw a smaller photo.

    That is the best way of those that cost less than the network: a quarter of a second for 12
    megapixels.
    """
    if options.model.refine == "auto":
        own_size = spec.kind == "classical" or spec.size_rule == "full"
        return "none" if own_size or options.model.reference else "guided"
    return options.model.refine


def make_refiner(spec: ModelSpec, options: MatteOptions, workspace: Workspace) -> Refiner | None:
    """What refines the model's alphas, if anything does.

    Raises:
        ModelUnavailableError: dim is to do it, and has no weights here.
    """
    way = refinement(spec, options)
    if way == "none":
        return None
    return Refiner(way, _dim(options, workspace) if way == "dim" else None, workspace.zeros)


def refining_spec() -> ModelSpec:
    """The row of the network that refines.

    Raises:
        ModelUnavailableError: it has no weights here.
    """
    from mattecli.models.lookup import find_weights
    from mattecli.models.registry import find_spec

    spec = find_spec("dim")
    if find_weights(spec) is None:
        raise ModelUnavailableError(
            "dim, which is to refine, has no weights here",
            remedy="run 'mattecli models pull dim --accept-licence', or use --refine guided",
        )
    return spec


def _dim(options: MatteOptions, workspace: Workspace) -> Estimator:
    from mattecli.engine.predict import NetworkEstimator
    from mattecli.engine.tiles import TileEstimator
    from mattecli.models.weights import load_network

    spec = refining_spec()
    loaded = load_network(spec)
    network = NetworkEstimator(loaded.network, loaded.spec, options.device)
    return TileEstimator(network, spec, options.device, workspace.memory, workspace.zeros)


class Refiner:
    """Refines the uncertain band of each alpha that is smaller than its photo.

    Args:
        way: how.
        estimator: the trimap model that does it, for ``dim``.
        zeros: makes the alpha's array: in memory, or in a file where that has no room.
    """

    def __init__(
        self, way: Refinement, estimator: Estimator | None = None, zeros: Zeros = np.zeros
    ) -> None:
        self._zeros = zeros
        self._way = way
        self.estimator = estimator

    def band(self, color: Array, matte: Matte) -> Prepared | None:
        """What the trimap model is given; None where there is nothing for it to do.

        Args:
            color: the photo at full size, H,W,3, without transparency.
            matte: the network's, or what it found in a box of the photo.
        """
        region = _region(color, matte)
        full = Size.of(region)
        if self.estimator is None or not _is_small(matte, full):
            return None
        trimap = band_trimap(matte.alpha, full)
        if not (trimap == UNKNOWN).any():
            return None
        return self.estimator.prepare(
            Photo(color=np.ascontiguousarray(region), full=full, trimap=trimap)
        )

    def alpha(self, color: Array, matte: Matte, found: Matte | None = None) -> Float32:
        """Alpha at the photo's size.

        Args:
            color: as for ``band``.
            matte: as for ``band``.
            found: what the trimap model made of the band.

        Returns:
            H,W, 0..1.
        """
        region = _region(color, matte)
        refined = self._refined(region, matte, found)
        if matte.box is None:
            return refined
        whole = np.zeros(color.shape[:2], np.float32)
        crop(whole, matte.box)[...] = refined
        return whole

    def _refined(self, region: Array, matte: Matte, found: Matte | None) -> Float32:
        full = Size.of(region)
        if not _is_small(matte, full):
            return enlarged_alpha(matte.alpha, full)
        alpha = self._zeros((full.height, full.width), np.float32)
        if self._way == "dim":
            return self._with_band(enlarged_alpha(matte.alpha, full, alpha), matte, found)
        guided = guided_alpha(region, matte.alpha, alpha)
        if self._way == "guided":
            return guided
        from mattecli.models.soft_closed_form import solve_band

        return solve_band(region, guided, band_trimap(matte.alpha, full))

    def _with_band(self, alpha: Float32, matte: Matte, found: Matte | None) -> Float32:
        if found is None or self.estimator is None:
            return alpha
        full = Size.of(alpha)
        unknown = band_trimap(matte.alpha, full) == UNKNOWN
        alpha[unknown] = self.estimator.restore(found, full).alpha[unknown]
        return alpha


def _region(color: Array, matte: Matte) -> Array:
    """The part of the photo that a matte covers."""
    return color if matte.box is None else crop(color, matte.box)


def _is_small(matte: Matte, full: Size) -> bool:
    """Whether a matte is smaller than its photo."""
    return min(full) > min(Size.of(matte.alpha))
