"""Trimap networks on photos of any size: tiles that touch the unknown region, and what to do when
memory runs out."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mattecli.engine.estimator import Estimator, Matte, Photo, Prepared, Zeros, require_finite
from mattecli.engine.memory import Memory, is_out_of_memory, release_cached, shown_bytes
from mattecli.errors import ResourceError, UsageError
from mattecli.models.spec import ModelSpec
from mattecli.ops.alpha import keep_known
from mattecli.ops.geometry import rounded_up
from mattecli.ops.pixels import Float32
from mattecli.ops.tiling import (
    FADE,
    Tile,
    TileShape,
    add_blended,
    cheapest_side,
    cut,
    in_batches,
    tiles,
    touching,
)
from mattecli.ops.trimap import UNKNOWN
from mattecli.records import Array, Size
from mattecli.settings import DeviceOptions

if TYPE_CHECKING:
    import torch

    from mattecli.engine.predict import NetworkEstimator

__all__ = [
    "TileEstimator",
    "TilePlan",
    "Zeros",
    "given_overlap",
    "shown_side",
    "tile_side",
    "with_smaller_tiles",
]

_SHARE = 0.7  # of the free memory that a network may take
_MOST_ON_CPU = 1_250_000_000  # bytes; larger tiles save little there
_LEAST_OVERLAP = 32
_STRIP = 256
_HALF_PRECISION = 0.6  # of the memory that float32 takes


def tile_side(options: DeviceOptions) -> int | None:
    """The side that ``--tile`` gives; None for auto, 0 for off.

    Raises:
        UsageError: it is neither a number nor one of these words.
    """
    words: dict[str, int | None] = {"auto": None, "off": 0}
    if options.tile in words:
        return words[options.tile]
    if not options.tile.isdigit() or int(options.tile) < 1:
        raise UsageError(
            f"--tile {options.tile!r} is no size", remedy="give auto, off, or pixels such as 1024"
        )
    return int(options.tile)


def shown_side(side: int | None) -> int | str:
    """What ``tile_side`` gave, as a report says it."""
    return "auto" if side is None else side or "off"


def given_overlap(options: DeviceOptions) -> int | None:
    """The pixels that ``--overlap`` gives; None: as the model needs.

    Raises:
        UsageError: it is below 0.
    """
    if options.overlap is not None and options.overlap < 0:
        raise UsageError(f"--overlap {options.overlap} is below 0", remedy="give 0 or more pixels")
    return options.overlap


@dataclass(frozen=True, slots=True)
class TilePlan:
    """How a photo is worked through.

    Attributes:
        shape: of the tiles.
        batch: tiles at once.
        fixed: the photo must be one tile; nothing smaller is tried.
    """

    shape: TileShape
    batch: int = 1
    fixed: bool = False

    def smaller(self) -> TilePlan | None:
        """The next attempt after memory ran out: half the batch, then half the side."""
        if self.fixed:
            return None
        if self.batch > 1:
            return replace(self, batch=self.batch // 2)
        grid = self.shape.grid
        side = self.shape.side // 2 // grid * grid
        overlap = min(self.shape.overlap, _room_for_overlap(side))
        if side < TileShape.least_side(overlap, grid):
            return None
        return replace(self, shape=TileShape(side=side, overlap=overlap, grid=grid))

    def __str__(self) -> str:
        batch = f", {self.batch} at a time" if self.batch > 1 else ""
        return f"tiles of {self.shape.side} pixels{batch}"


def _room_for_overlap(side: int) -> int:
    """The most overlap that leaves a third of a tile to itself."""
    return max(side // 3, _LEAST_OVERLAP)


def with_smaller_tiles(
    plan: TilePlan,
    run: Callable[[TilePlan], Float32],
    *,
    pixel_bytes: float,
    room: Callable[[], int],
    device: torch.device | None = None,
) -> Matte:
    """The alpha computed by the first plan that fits into memory.

    Args:
        plan: to begin with.
        run: computes the alpha as a plan says.
        pixel_bytes: what a pixel of a tile takes, for the message.
        room: tells what memory there is.
        device: whose cached memory is given back before the next attempt.

    Raises:
        ResourceError: not even the smallest tiles fit.
    """
    notes: list[str] = []
    current: TilePlan | None = plan
    while current is not None:
        try:
            return Matte(alpha=run(current), notes=tuple(notes))
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        plan, current = current, current.smaller()
        release_cached(device)
        if current is not None:
            notes.append(f"memory did not suffice for {plan}; went on with {current}")
    needed = plan.shape.side**2 * plan.batch * pixel_bytes
    raise ResourceError(
        f"memory does not suffice: {plan} need {shown_bytes(needed)},"
        f" {shown_bytes(room())} are free",
        remedy="use --tile auto" if plan.fixed else "free some, or use fewer --workers",
    )


class TileEstimator(Estimator):
    """Runs a trimap network over those tiles of a photo that touch its unknown region.

    Args:
        inner: runs the network on tiles; its batch is a number of tiles.
        spec: the network's row, with its reach.
        options: ``--tile``, ``--overlap`` and ``--batch-size``.
        memory: what may be taken.
        zeros: makes the array for the alpha.

    Raises:
        UsageError: the tile or the overlap makes no sense for the network.
    """

    def __init__(
        self,
        inner: NetworkEstimator,
        spec: ModelSpec,
        options: DeviceOptions,
        memory: Memory,
        zeros: Zeros = np.zeros,
    ) -> None:
        self._zeros = zeros
        self._inner = inner
        self._spec = spec
        self._memory = memory
        self._side = tile_side(options)
        self._full_overlap = spec.reach + FADE // 2
        self._overlap = given_overlap(options)
        self._batch = None if options.batch_size == "auto" else inner.batch
        if self._side:  # refuse a bad size now, not at the first photo
            self._shape(self._side)
        self.lanes = inner.lanes
        self.accelerator = inner.accelerator

    def prepare(self, photo: Photo) -> Prepared:
        """The photo as it is; tiles are cut when their turn comes."""
        return Prepared.whole(photo)

    def estimate(self, group: Sequence[Prepared]) -> list[Matte]:
        """Mattes at full size; every photo must have its trimap.

        Raises:
            ResourceError: not even the smallest tiles fit into memory.
        """
        return [self._solved(item, item.trimap) for item in group if item.trimap is not None]

    def describe(self) -> dict[str, object]:
        """Devices, precision, and the largest tiles that memory allows now."""
        facts = self._inner.describe() | {"tile": shown_side(self._side)}
        if self._side != 0:
            facts["overlap"] = self._overlap_of(self._side or self._most_side(1))
        facts["network_memory"] = shown_bytes(self._needed(self._side or self._most_side(1), 1))
        return facts

    def plan(self, trimap: Array) -> TilePlan:
        """The tiles for a photo with this trimap.

        Args:
            trimap: H,W of 0, 128, 255.
        """
        size = Size.of(trimap)
        whole = rounded_up(max(*size, self._spec.minimum), self._spec.grid)
        if self._side == 0:
            return TilePlan(
                TileShape(side=whole, overlap=0, grid=self._spec.grid), batch=1, fixed=True
            )
        side = self._side
        if side is None:
            most = min(self._most_side(1), whole)
            overlap = self._overlap_of(most)
            side = cheapest_side(trimap, UNKNOWN, overlap=overlap, grid=self._spec.grid, most=most)
        batch = self._batch or self._fitting_batch(side)
        return TilePlan(self._shape(side), batch)

    def _shape(self, side: int) -> TileShape:
        grid = self._spec.grid
        return TileShape(side=rounded_up(side, grid), overlap=self._overlap_of(side), grid=grid)

    def _overlap_of(self, side: int) -> int:
        """As asked for; else the network's reach, or less where tiles are too small for it."""
        if self._overlap is not None:
            return self._overlap
        return min(self._full_overlap, _room_for_overlap(side))

    def _most_side(self, batch: int) -> int:
        """The longest side that memory allows."""
        room = int(self._memory.room(self._inner.device) * _SHARE)
        if self._inner.device.type == "cpu":
            room = min(room, _MOST_ON_CPU)
        return max(math.isqrt(int(room / (batch * self._pixel_bytes()))), self._spec.grid)

    def _fitting_batch(self, side: int) -> int:
        """As many tiles at once as memory allows, where that gains anything."""
        if self._inner.device.type == "cpu":
            return 1
        room = self._memory.room(self._inner.device) * _SHARE
        return min(max(int(room // self._needed(side, 1)), 1), 8)

    def _pixel_bytes(self) -> float:
        half = self._inner.is_half_precision
        return self._spec.pixel_bytes * (_HALF_PRECISION if half else 1)

    def _needed(self, side: int, batch: int) -> float:
        return side * side * batch * self._pixel_bytes()

    def _solved(self, item: Prepared, trimap: Array) -> Matte:
        return with_smaller_tiles(
            self.plan(trimap),
            lambda plan: self._run(item, trimap, plan),
            pixel_bytes=self._pixel_bytes(),
            room=lambda: self._memory.room(self._inner.device),
            device=self._inner.device,
        )

    def _run(self, item: Prepared, trimap: Array, plan: TilePlan) -> Float32:
        multiple, least = self._spec.multiple, self._spec.minimum
        padded = Size(*(max(rounded_up(side, multiple), least) for side in Size.of(trimap)))
        chosen = touching(tiles(padded, plan.shape), trimap, UNKNOWN)
        alpha = self._zeros(trimap.shape, np.float32)
        for group in in_batches(chosen, plan.batch):
            patches = [self._patch(item, trimap, tile) for tile in group]
            found = self._inner.estimate(patches, batch=plan.batch)
            for tile, matte in zip(group, found, strict=True):
                add_blended(alpha, tile, require_finite(matte).alpha)
        return keep_known(alpha, trimap)

    @staticmethod
    def _patch(item: Prepared, trimap: Array, tile: Tile) -> Prepared:
        color = cut(item.color, tile)
        return Prepared(
            color=color, inner=Size.of(color), full=Size.of(color), trimap=cut(trimap, tile)
        )
