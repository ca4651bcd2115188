"""Alphas without the engine's own way of running a network: solvers and authors' scripts."""

from __future__ import annotations

from collections.abc import Sequence

from mattecli.engine.devices import describe_device, find_devices
from mattecli.engine.estimator import Estimator, Matte, Photo, Prepared
from mattecli.engine.reference import ReferenceInput, ReferenceScript
from mattecli.models.base import MattingModel
from mattecli.models.classical import solve
from mattecli.models.spec import ModelSpec
from mattecli.ops.pixels import to_float, to_levels
from mattecli.records import Size
from mattecli.settings import DeviceOptions

__all__ = ["ReferenceEstimator", "SolverEstimator"]


def _as_it_is(photo: Photo) -> Prepared:
    return Prepared(
        color=photo.color,
        inner=Size.of(photo.color),
        full=photo.full,
        trimap=photo.trimap,
        background=photo.background,
        mask=photo.mask,
    )


class SolverEstimator(Estimator):
    """Runs one of PyMatting's solvers on the CPU.

    Args:
        spec: its row in the registry.
        lanes: photos that are solved at the same time.
    """

    def __init__(self, spec: ModelSpec, lanes: int = 1) -> None:
        self._name = spec.name
        self.lanes = lanes

    def prepare(self, photo: Photo) -> Prepared:
        """The photo as it is."""
        return _as_it_is(photo)

    def estimate(self, group: Sequence[Prepared]) -> list[Matte]:
        """Mattes at full size; every photo must have its trimap."""
        return [
            Matte(alpha=solve(self._name, item.color, item.trimap))
            for item in group
            if item.trimap is not None
        ]

    def describe(self) -> dict[str, object]:
        """Where it runs."""
        return {"device": "cpu", "precision": "float64", "batch_size": 1}


class ReferenceEstimator(Estimator):
    """Runs the published script of a network's authors, with its own sizes and truncation.

    Args:
        network: in evaluation mode.
        script: of its registry row.
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
        return _as_it_is(photo)

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
