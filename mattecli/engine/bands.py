"""Background Matting V2 on photos of any size: the coarse network sees the whole scene, small; the
refiner sees the photo band by band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from mattecli.engine.estimator import Estimator, Matte, Photo, Prepared, Zeros, require_finite
from mattecli.engine.memory import Memory, is_out_of_memory, release_cached, shown_bytes
from mattecli.errors import ResourceError
from mattecli.models.bgmv2 import BGMv2, Rows, Survey
from mattecli.ops.geometry import rounded_up
from mattecli.ops.pixels import (
    Float32,
    batch_from_image,
    image_from_tensor,
    tensor_from_array,
    to_levels,
)
from mattecli.records import Array, Size

if TYPE_CHECKING:
    from mattecli.engine.predict import NetworkEstimator
    from mattecli.models.base import Estimate

__all__ = ["BandEstimator"]

_MULTIPLE = 4  # sides and bands are multiples of a refiner's cell
_LEAST_SIDE = 16  # as in the registry's rows


class BandEstimator(Estimator):
    """Runs Background Matting V2 with memory that hardly grows with the photo.

    Args:
        inner: holds the network, on its devices.
        memory: what may be taken; for the message when it runs out.
        zeros: makes the arrays for alpha and colours.
        deep: give colours 16 bits even if the photo has 8.
    """

    def __init__(
        self,
        inner: NetworkEstimator,
        memory: Memory,
        zeros: Zeros = np.zeros,
        *,
        deep: bool = False,
    ) -> None:
        self._zeros = zeros
        self._inner = inner
        self._memory = memory
        self._deep = deep
        self.lanes = inner.lanes
        self.accelerator = inner.accelerator

    def prepare(self, photo: Photo) -> Prepared:
        """The photo and its plate as they are; bands are cut when their turn comes."""
        return Prepared.whole(photo)

    def estimate(self, group: Sequence[Prepared]) -> list[Matte]:
        """Mattes at full size; every photo must have its plate.

        Raises:
            ResourceError: not even the lowest bands fit into memory.
        """
        return [
            self._solved(item.color, item.background)
            for item in group
            if item.background is not None
        ]

    def describe(self) -> dict[str, object]:
        """Devices and precision."""
        return self._inner.describe() | {"tile": "bands of rows"}

    def _solved(self, color: Array, plate: Array) -> Matte:
        """In ever lower bands, until they fit into memory."""
        notes: list[str] = []
        share = 1
        while share <= 8:
            try:
                matte = self._run(color, plate, share)
            except (MemoryError, RuntimeError) as error:
                if not is_out_of_memory(error):
                    raise
            else:
                return require_finite(
                    Matte(alpha=matte.alpha, foreground=matte.foreground, notes=tuple(notes))
                )
            release_cached(self._inner.device)
            share *= 2
            notes.append(f"memory did not suffice for its bands; went on with 1/{share} of them")
        room = shown_bytes(self._memory.room(self._inner.device))
        raise ResourceError(
            f"memory does not suffice for a photo of {Size.of(color)}, {room} are free",
            remedy="free some, or use fewer --workers",
        )

    def _run(self, color: Array, plate: Array, share: int) -> Matte:
        have = Size.of(color)
        size = Size(*(max(rounded_up(side, _MULTIPLE), _LEAST_SIDE) for side in have))
        alpha = self._zeros((have.height, have.width), np.float32)
        levels = np.uint8 if color.dtype == np.uint8 and not self._deep else np.uint16
        colours = self._zeros(color.shape, levels)
        with self._inner.borrowed() as (form, device):
            network = form.network
            if not isinstance(network, BGMv2):
                raise AssertionError("only Background Matting V2 works in bands")
            if network.refiner is None:
                raise ResourceError("these weights lack the refiner", remedy="use whole weights")
            survey = self._survey(network, color, plate, size, device)
            step = rounded_up(max(network.refiner.band_height(size.width) // share, 1), _MULTIPLE)
            for top in range(0, size.height, step):
                rows = Rows(top, min(top + step, size.height), size.height)
                src, bgr = (_band(image, rows.with_halo, size, device) for image in (color, plate))
                _write(network.band(survey, src, bgr, rows), rows.top, alpha, colours)
        return Matte(alpha=alpha, foreground=colours)

    @staticmethod
    def _survey(
        network: BGMv2, color: Array, plate: Array, size: Size, device: torch.device
    ) -> Survey:
        coarse = network.coarse_size(size.width, size.height, network.chosen_options(*size))
        src_sm, bgr_sm = (_sampled(image, coarse, size, device) for image in (color, plate))
        return network.survey(src_sm, bgr_sm, (size.height, size.width))


@dataclass(frozen=True, slots=True)
class _Places:
    """Interpolation along an axis: each sample's two neighbours, and the second one's weight."""

    neighbours: npt.NDArray[np.intp]
    share: Tensor


def _places(count: int, length: int) -> _Places:
    scale = np.float32(length / count)
    places = (
        (np.arange(count, dtype=np.float32) + np.float32(0.5)) * scale - np.float32(0.5)
    ).clip(0)
    first = places.astype(np.intp).clip(max=length - 1)
    second = (first + 1).clip(max=length - 1)
    return _Places(
        np.stack([first, second], axis=1).ravel(),
        tensor_from_array(places - first.astype(np.float32)),
    )


def _write(found: Estimate, top: int, alpha: Float32, colours: Array) -> None:
    """Put a band where it belongs, without its padding beyond the photo."""
    height, width = alpha[top : top + found.pha.shape[-2]].shape
    alpha[top : top + height] = image_from_tensor(found.pha[0, :, :height, :width])
    if found.fgr is not None:
        band = image_from_tensor(found.fgr[0, :, :height, :width])
        colours[top : top + height] = to_levels(band, colours.dtype)


def _mirrored(first: int, last: int, length: int) -> npt.NDArray[np.intp]:
    """Indices from ``first`` to before ``last``; those from ``length`` on are mirrored."""
    turn = max(2 * (length - 1), 1)
    places = np.arange(first, last) % turn if length > 1 else np.zeros(last - first, np.intp)
    mirrored: npt.NDArray[np.intp] = np.where(places < length, places, turn - places)
    return mirrored


def _band(image: Array, rows: slice, size: Size, device: torch.device) -> Tensor:
    """Rows of a photo that is mirrored at the right and bottom up to ``size``, 1,3,h,W."""
    height, width = image.shape[:2]
    part = image[rows] if rows.stop <= height else image[_mirrored(rows.start, rows.stop, height)]
    if size.width > width:
        part = cv2.copyMakeBorder(part, 0, 0, 0, size.width - width, cv2.BORDER_REFLECT_101)
    return batch_from_image(part, device).clamp_(0, 1)


def _sampled(image: Array, coarse: tuple[int, int], size: Size, device: torch.device) -> Tensor:
    """A photo, mirrored up to ``size``, at the coarse size: bilinear without antialiasing.

    As `torch.nn.functional.interpolate` gives it, but reading only the pixels that count.
    """
    down = _places(coarse[0], size.height)
    along = _places(coarse[1], size.width)
    rows = _mirrored(0, size.height, image.shape[0])[down.neighbours]
    columns = _mirrored(0, size.width, image.shape[1])[along.neighbours]
    corners = batch_from_image(image[rows][:, columns], device).clamp_(0, 1)
    share = along.share.to(device)
    across = corners[..., 0::2] * (1 - share) + corners[..., 1::2] * share
    share = down.share.to(device)[:, None]
    return across[:, :, 0::2] * (1 - share) + across[:, :, 1::2] * share
