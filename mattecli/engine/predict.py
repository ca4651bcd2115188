"""The one wrapper round a network: size rule, device, precision, batch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import cv2
import torch
from torch import Tensor

from mattecli.engine.devices import describe_device, find_devices, find_precision, use_threads
from mattecli.engine.estimator import Estimator, Matte, Photo, Prepared
from mattecli.engine.graphs import GraphedForm
from mattecli.engine.lanes import Lanes
from mattecli.engine.sizes import NetworkSize, network_size, sufficient_side
from mattecli.errors import UsageError
from mattecli.models.base import Estimate, MattingModel, ModelInput
from mattecli.models.fused.form import InferenceForm
from mattecli.models.spec import ModelSpec
from mattecli.ops.pixels import Float32, batch_from_images, image_from_tensor
from mattecli.ops.segmentation import crop, rough_mask, subject_box
from mattecli.records import Array, Size
from mattecli.settings import DeviceOptions

__all__ = ["NetworkEstimator", "model_input"]

_USUAL_SHAPE = 16 / 9  # long side / short side; hardly any photo is longer
_HALF_PRECISION = 0.7  # of float32's memory, measured; some layers stay float32


class NetworkEstimator(Estimator):
    """Runs one network, or a copy of it on each of several devices.

    A batch always has its full number of photos (a short one is filled up), so that a photo's
    alpha does not depend on its company.

    Args:
        network: in evaluation mode; its inference form is what runs.
        spec: its row in the registry.
        options: devices, precision, batch size.
        size: short side that the network sees, in place of the model's own.
        lanes: photos that a CPU may estimate at the same time, sharing its cores; a network that
            sees photos at their own size does one at a time, for the memory.

    Raises:
        UsageError: a device is missing, or a number makes no sense for this model.
    """

    def __init__(
        self,
        network: MattingModel,
        spec: ModelSpec,
        options: DeviceOptions,
        *,
        size: int | None = None,
        lanes: int = 1,
    ) -> None:
        if size is not None and (spec.size_rule == "full" or size < spec.minimum):
            raise UsageError(
                f"--size {size} is not for {spec.name}",
                remedy="it sees photos at their own size; leave --size out"
                if spec.size_rule == "full"
                else f"give {spec.minimum} or more",
            )
        self._spec = spec
        self._size = size
        self._devices = find_devices(options)
        self._dtypes = [
            find_precision(options.precision, device, half_is_sound=spec.half_is_sound)
            for device in self._devices
        ]
        self._forms = [
            InferenceForm(network, dtype).to(device)
            for device, dtype in zip(self._devices, self._dtypes, strict=True)
        ]
        self._threads: int | None = None
        # Sizes come again, so graphs pay; and no memory has to be left for tiles.
        repeats = spec.size_rule != "full"
        if repeats:
            self._add_lanes(lanes)
        self._copies = [
            GraphedForm(form, device) if device.type == "cuda" and repeats else form
            for form, device in zip(self._forms, self._devices, strict=True)
        ]
        self._free = Lanes(len(self._devices))
        self.short_side = sufficient_side(spec, size)
        self.batch = _batch_size(options.batch_size, self._devices[0], spec)
        self.lanes = len(self._devices)
        self.accelerator = "" if self._devices[0].type == "cpu" else str(self._devices[0])

    def _add_lanes(self, wanted: int) -> None:
        """Several photos at once on each device, through the same network.

        Photos side by side keep cores busier than threads on one photo, which wait for each
        other; on a GPU, one photo computes while the next one travels.
        """
        if self._devices[0].type == "cpu":
            cores = torch.get_num_threads()
            lanes = max(1, min(wanted, cores))
            self._threads = cores // lanes
        else:
            lanes = 2 if self._devices[0].type == "cuda" else 1
        self._devices *= lanes
        self._forms *= lanes

    def narrow(self, lanes: int) -> None:
        """Let only ``lanes`` photos be in the network at once.

        Each keeps its number of threads, on which the last digits of its alpha depend.
        """
        self.lanes = lanes
        self._free = Lanes(lanes)

    def prepare(self, photo: Photo) -> Prepared:
        """Scale a photo to what the network sees, and pad it."""
        box = None
        if "segmentation" in self._spec.needs and photo.mask is not None:
            box = subject_box(photo.mask)
        size = network_size(photo.full, self._spec, self._size)

        def fitted(image: Array) -> Array:
            return _fitted(image if box is None else crop(image, box), size)

        return Prepared(
            color=fitted(photo.color),
            inner=size.scaled,
            full=photo.full,
            trimap=None if photo.trimap is None else fitted(photo.trimap),
            background=None if photo.background is None else fitted(photo.background),
            mask=None if photo.mask is None else rough_mask(fitted(photo.mask)),
            box=box,
        )

    def estimate(self, group: Sequence[Prepared], batch: int | None = None) -> list[Matte]:
        """Mattes at the network's size, without the padding.

        Args:
            group: photos of equal shape.
            batch: how many the network is given; missing ones are copies of the last.
        """
        filled = [*group, *[group[-1]] * ((batch or self.batch) - len(group))]
        with self.borrowed() as (form, device):
            found = form.estimate(model_input(filled, device))
            return [_matte(found, i, item) for i, item in enumerate(group)]

    @contextmanager
    def borrowed(self) -> Iterator[tuple[InferenceForm | GraphedForm, torch.device]]:
        """A copy of the network and its device for this thread alone, ready for inference."""
        number = self._free.take()
        try:
            if self._threads is not None:
                use_threads(self._threads)
            lane = self._copies[number]
            with torch.inference_mode(), lane.running():
                yield lane, self._devices[number]
        finally:
            self._free.give(number)

    @property
    def device(self) -> torch.device:
        """The first of its devices."""
        return self._devices[0]

    @property
    def is_half_precision(self) -> bool:
        """Whether the network computes in 16 bits."""
        return self._dtypes[0] != torch.float32

    @property
    def dtype(self) -> torch.dtype:
        """Arithmetic of the network's layers."""
        return self._dtypes[0]

    @property
    def working_bytes(self) -> int:
        """Main memory that a batch takes in the network, about; long, narrow photos take more.

        0 on a GPU, and for networks whose need is not known: all but MODNet and SHM.
        """
        side = 0 if self.accelerator else self.short_side or 0
        pixels = _USUAL_SHAPE * side**2 * self.batch
        share = _HALF_PRECISION if self.is_half_precision else 1
        return int(pixels * self._spec.pixel_bytes * share)

    def describe(self) -> dict[str, object]:
        """Devices, precision and batch size."""
        return {
            "device": ", ".join(dict.fromkeys(map(describe_device, self._devices))),
            "precision": str(self._dtypes[0]).removeprefix("torch."),
            "batch_size": self.batch,
        }


def model_input(group: Sequence[Prepared], device: torch.device) -> ModelInput:
    """Photos of equal shape as one batch on the device."""

    def batch(images: Iterable[Array | None]) -> Tensor | None:
        present = [image for image in images if image is not None]
        return batch_from_images(present, device).clamp_(0, 1) if present else None

    return ModelInput(
        src=batch_from_images([item.color for item in group], device).clamp_(0, 1),
        trimap=batch(item.trimap for item in group),
        bgr=batch(item.background for item in group),
        seg=batch(item.mask for item in group),
    )


def _matte(found: Estimate, index: int, item: Prepared) -> Matte:
    def cut(batch: Tensor) -> Float32:
        return image_from_tensor(
            batch[index, :, : item.inner.height, : item.inner.width].float().clamp(0, 1)
        )

    return Matte(
        alpha=cut(found.pha), foreground=None if found.fgr is None else cut(found.fgr), box=item.box
    )


def _batch_size(wanted: str, device: torch.device, spec: ModelSpec) -> int:
    """``auto`` is 1 where batches gain nothing: on a CPU, and for photos at their own sizes."""
    if wanted == "auto":
        return 8 if device.type == "cuda" and spec.size_rule != "full" else 1
    if not wanted.isdigit() or int(wanted) < 1:
        raise UsageError(f"--batch-size {wanted!r} is no number", remedy="give auto, 1 or more")
    return int(wanted)


def _fitted(image: Array, size: NetworkSize) -> Array:
    """The image scaled, and padded at the right and bottom by reflection."""
    right = size.padded.width - size.scaled.width
    below = size.padded.height - size.scaled.height
    scaled = _scaled(image, size.scaled)
    if not right and not below:
        return scaled
    return cv2.copyMakeBorder(scaled, 0, below, 0, right, cv2.BORDER_REFLECT_101)


def _scaled(color: Array, size: Size) -> Array:
    have = Size.of(color)
    if have == size:
        return color
    shrinks = size.width <= have.width and size.height <= have.height
    return cv2.resize(color, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
