"""Estimators other than the engine's way of running networks: solvers, authors' scripts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mattecli.engine.devices import describe_device, find_devices
from mattecli.engine.estimator import Estimator, Matte, Photo, Prepared, Zeros
from mattecli.engine.memory import Memory
from mattecli.engine.reference import ReferenceInput, ReferenceScript
from mattecli.engine.rough import RoughSolution
from mattecli.engine.tiles import TilePlan, given_overlap, shown_side, tile_side, with_smaller_tiles
from mattecli.models.base import MattingModel
from mattecli.models.classical import region
from mattecli.models.spec import ModelSpec
from mattecli.ops.alpha import keep_known
from mattecli.ops.pixels import Float32, to_float, to_levels
from mattecli.ops.tiling import FADE, TileShape, blend, cheapest_side, tiles, touching
from mattecli.ops.trimap import UNKNOWN
from mattecli.records import Array, Size
from mattecli.settings import DeviceOptions

__all__ = ["ReferenceEstimator", "SolverEstimator"]

_SHARE = 0.7  # of the free memory that solvers may take
_LITTLE = 1_500_000  # pixels that are solved as a whole
_MOST_SIDE = 1024  # larger systems take more steps to solve


class SolverEstimator(Estimator):
    """Runs one of PyMatting's solvers on the CPU, on large photos tile by tile.

    Strictly, each pixel of an unknown region influences all others; but the influence of anything
    beyond the known pixels on either side of a band fades quickly, so tiles can be solved alone.

    Args:
        spec: its row in the registry.
        lanes: photos that are solved at the same time, each in its share of the memory.
        options: ``--tile`` and ``--overlap``.
        memory: what may be taken.
        zeros: makes the array for the alpha.
    """

    def __init__(
        self,
        spec: ModelSpec,
        lanes: int,
        options: DeviceOptions,
        memory: Memory,
        zeros: Zeros = np.zeros,
    ) -> None:
        self._zeros = zeros
        self._spec = spec
        self._memory = memory
        self._side = tile_side(options)
        overlap = given_overlap(options)
        self._overlap = spec.reach + FADE // 2 if overlap is None else overlap
        self.lanes = lanes
        if self._side:  # refuse a bad size now, not at the first photo
            TileShape(side=self._side, overlap=self._overlap)

    def prepare(self, photo: Photo) -> Prepared:
        """The photo as it is."""
        return Prepared.whole(photo)

    def estimate(self, group: Sequence[Prepared]) -> list[Matte]:
        """Mattes at full size; every photo must have its trimap.

        Raises:
            ResourceError: not even the smallest tiles fit into memory, or the solver failed.
        """
        return [self._solved(item, item.trimap) for item in group if item.trimap is not None]

    def describe(self) -> dict[str, object]:
        """Where it runs, and the largest tiles that memory allows now."""
        facts: dict[str, object] = {"device": "cpu", "precision": "float64", "batch_size": 1}
        if self._spec.reach:
            facts["tile"] = shown_side(self._side)
            facts["overlap"] = self._overlap
        return facts

    def plan(self, trimap: Array) -> TilePlan:
        """The tiles for a photo with this trimap: a single one, if memory and time allow."""
        whole = max(trimap.shape)
        overlap = min(self._overlap, (whole - 1) // 2)  # for smaller tiles, if they are needed
        alone = TilePlan(TileShape(side=whole, overlap=overlap), fixed=True)
        if self._side == 0 or not self._spec.reach:
            return alone
        if self._side is not None:
            return TilePlan(TileShape(side=self._side, overlap=self._overlap))
        most = math.isqrt(int(self._room() / self._spec.pixel_bytes))
        if region(trimap, self._spec.name).pixels <= min(_LITTLE, most * most):
            return replace(alone, fixed=False)
        side = cheapest_side(trimap, UNKNOWN, overlap=self._overlap, most=min(most, _MOST_SIDE))
        return TilePlan(TileShape(side=side, overlap=self._overlap))

    def _room(self) -> float:
        return self._memory.room() * _SHARE / self.lanes

    def _solved(self, item: Prepared, trimap: Array) -> Matte:
        return with_smaller_tiles(
            self.plan(trimap),
            lambda plan: self._run(item.color, trimap, plan),
            pixel_bytes=self._spec.pixel_bytes,
            room=lambda: int(self._room()),
        )

    def _run(self, color: Array, trimap: Array, plan: TilePlan) -> Float32:
        chosen = touching(tiles(Size.of(trimap), plan.shape), trimap, UNKNOWN)
        alpha = self._zeros(trimap.shape, np.float32)
        rough = RoughSolution(self._spec.name, color, trimap)
        blend(alpha, chosen, rough.solved)
        return keep_known(alpha, trimap)


class ReferenceEstimator(Estimator):
    """Runs the published script of a network's authors, with its own sizes and truncation.

    Args:
        network: in evaluation mode.
        script: the one of its registry row.
        options: the device; precision and batch are the script's own.
    """

    def __init__(
        self, network: MattingModel, script: ReferenceScript, options: DeviceOptions
    ) -> None:
        self._device = find_devices(options)[0]
        self._network = network.to(self._device)
        self._script = script

    def prepare(self, photo: Photo) -> Prepared:
        """The photo as it is."""
        return Prepared.whole(photo)

    def estimate(self, group: Sequence[Prepared]) -> list[Matte]:
        """What the script writes, as floats that round to the same levels."""
        return [self._write(item) for item in group]

    def describe(self) -> dict[str, object]:
        """Where it runs."""
        return {
            "device": describe_device(self._device),
            "precision": "float32",
            "batch_size": 1,
            "reference": True,
        }

    def _write(self, item: Prepared) -> Matte:
        plate = item.background
        inputs = ReferenceInput(
            color=to_levels(item.color),
            trimap=item.trimap,
            background=None if plate is None else to_levels(plate),
            mask=item.mask,
        )
        result = self._script(self._network, inputs)
        colours = result.foreground
        return Matte(
            alpha=to_float(result.alpha),
            foreground=None if colours is None else to_float(colours),
        )
