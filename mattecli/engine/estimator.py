"""The interface that every way to estimate alpha offers to the jobs."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mattecli.errors import InputError
from mattecli.ops.pixels import Float32
from mattecli.ops.refine import enlarged_alpha
from mattecli.ops.segmentation import Box, crop
from mattecli.records import Array, Size

__all__ = ["Estimator", "Matte", "Photo", "Prepared", "Zeros", "require_finite"]

Zeros: TypeAlias = Callable[[tuple[int, ...], npt.DTypeLike], Array]
"""Makes an array of zeros as `numpy.zeros` does, in memory or in a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Photo:
    """What a model gets for one photo; all upright.

    Attributes:
        color: H,W,3 RGB; uint8, uint16 or float32; may be smaller than ``full``.
        full: size of the photo, and of the alpha that comes back.
        trimap: H,W of 0, 128, 255 at full size.
        background: plate, H,W,3 RGB at full size.
        mask: rough subject mask, uint8 H,W at full size.
    """

    color: Array
    full: Size
    trimap: Array | None = None
    background: Array | None = None
    mask: Array | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A photo at the size that the network sees.

    Attributes:
        color: h,w,3, as in Photo.
        inner: the part of ``color`` that is photo; the rest is padding at the right and bottom.
        full: size of the alpha that comes back.
        trimap, background, mask: h,w, as in Photo.
        box: the part of the photo that this shows; None for all of it.
    """

    color: Array
    inner: Size
    full: Size
    trimap: Array | None = None
    background: Array | None = None
    mask: Array | None = None
    box: Box | None = None

    @classmethod
    def whole(cls, photo: Photo) -> Prepared:
        """The photo as it is, for what works at its own size."""
        return cls(
            color=photo.color,
            inner=Size.of(photo.color),
            full=photo.full,
            trimap=photo.trimap,
            background=photo.background,
            mask=photo.mask,
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """What all photos of a batch must have in common."""
        return self.color.shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Matte:
    """What an estimator found.

    Attributes:
        alpha: h,w, float32 0..1.
        foreground: h,w,3 RGB, float32 0..1 or levels, where the estimator has colours of its own.
        box: the part of the photo that it covers (elsewhere alpha is 0); None for all of it.
        notes: what the user should know about how it was found.
    """

    alpha: Float32
    foreground: Array | None = None
    box: Box | None = None
    notes: tuple[str, ...] = ()


def require_finite(matte: Matte) -> Matte:
    """The matte, unless it holds NaN or infinity.

    Raises:
        InputError: it does; the network overflowed.
    """
    if all(image is None or _is_finite(image) for image in (matte.alpha, matte.foreground)):
        return matte
    raise InputError(
        "the network gave values that are no numbers",
        remedy="use --precision fp32, or other weights",
    )


def _is_finite(image: Array) -> bool:
    if not np.issubdtype(image.dtype, np.floating):
        return True
    return all(map(math.isfinite, (image.min(), image.max())))  # needs no mask of the image's size


class Estimator(ABC):
    """Turns photos into alphas: a network, a solver, or an authors' script.

    Attributes:
        short_side: a photo may be decoded down to this short side; None: every pixel counts.
        batch: photos of equal shape that are estimated at once, at most.
        lanes: threads that may estimate at the same time.
        accelerator: torch's name of the GPU that it runs on; "" for none.
    """

    short_side: int | None = None
    batch: int = 1
    lanes: int = 1
    accelerator: str = ""

    @abstractmethod
    def prepare(self, photo: Photo) -> Prepared:
        """The work that can be done ahead of the estimator's turn, in another thread."""

    @abstractmethod
    def estimate(self, group: Sequence[Prepared]) -> list[Matte]:
        """One matte for each photo, at the estimator's size.

        Args:
            group: 1 to ``batch`` photos of equal shape.
        """

    @abstractmethod
    def describe(self) -> dict[str, object]:
        """Facts for a report: device, precision, batch."""

    @staticmethod
    def restore(matte: Matte, full: Size) -> Matte:
        """A matte at the photo's size.

        Colours that would have to be enlarged are dropped: the photo's own are sharper.
        """
        if matte.box is None and Size.of(matte.alpha) == full:
            return matte
        if matte.box is None:
            return Matte(alpha=enlarged_alpha(matte.alpha, full))
        box = matte.box
        alpha = np.zeros((full.height, full.width), np.float32)
        crop(alpha, box)[...] = enlarged_alpha(matte.alpha, Size(box.width, box.height))
        return Matte(alpha=alpha)
