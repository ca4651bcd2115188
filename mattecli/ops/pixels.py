"""The one place where pixel values change their type: levels, floats, tensors.

Levels are uint8 (0..255) or uint16 (0..65535). Floats are float32 with 0..1 for the same range.
Integers are made by rounding to nearest, never by truncation, except in ``truncated_levels``,
which exists for reproducing published scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.records import Array

if TYPE_CHECKING:
    import torch

__all__ = [
    "Float32",
    "array_from_tensor",
    "as_type",
    "batch_from_image",
    "batch_from_images",
    "image_from_tensor",
    "levels_max",
    "tensor_from_array",
    "to_float",
    "to_levels",
    "truncated_levels",
    "white_of",
]

Float32: TypeAlias = npt.NDArray[np.float32]
"""An array of float32, of any shape."""

_STRIP_PIXELS = 1 << 16
_WHITE = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65535}


def levels_max(dtype: npt.DTypeLike) -> int:
    """The level of white: 255 for uint8, 65535 for uint16.

    Raises:
        TypeError: for any other type.
    """
    kind = np.dtype(dtype)
    white = _WHITE.get(kind)
    if white is None:
        raise TypeError(f"{kind} is not a type of levels")
    return white


def white_of(dtype: npt.DTypeLike) -> int:
    """The value of white, or of full alpha: 255, 65535, or 1 for floats.

    Raises:
        TypeError: for any other type.
    """
    kind = np.dtype(dtype)
    return 1 if kind.kind == "f" else levels_max(kind)


def to_float(image: Array) -> Float32:
    """Levels as float32 0..1; floats are returned as float32, unscaled and unclipped.

    Raises:
        TypeError: for types other than uint8, uint16 and floats.
    """
    if image.dtype.kind == "f":
        return image.astype(np.float32, copy=False)
    # One pass, without an intermediate array.
    scaled: Float32 = np.multiply(
        image, np.float32(1.0 / levels_max(image.dtype)), dtype=np.float32
    )
    return scaled


def to_levels(image: Array, dtype: npt.DTypeLike = np.uint8) -> Array:
    """Floats 0..1 (clipped, NaN becomes 0) or levels as levels of ``dtype``, rounded to nearest.

    Raises:
        TypeError: if ``dtype`` is neither uint8 nor uint16.
    """
    white = levels_max(dtype)
    if image.dtype == np.dtype(dtype):
        return image
    if image.dtype == np.uint16:  # to uint8: 257 levels fall on one
        return ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if image.dtype == np.uint8:  # to uint16
        return image.astype(np.uint16) * np.uint16(257)
    if white == 255 and image.dtype == np.float32 and _within_unit_range(image):
        # The same numbers in a sixth of the time, where there is nothing negative and no NaN.
        return cv2.convertScaleAbs(image, alpha=255)
    levels = np.empty(image.shape, dtype)
    if image.ndim == 0:
        levels[...] = _rounded(image, white)
        return levels
    rows = max(_STRIP_PIXELS // max(image[:1].size, 1), 1)
    for top in range(0, len(image), rows):  # in strips, whose floats stay in the cache
        levels[top : top + rows] = _rounded(image[top : top + rows], white)
    return levels


def as_type(image: Array, dtype: npt.DTypeLike) -> Array:
    """Levels or floats 0..1 as another type of either; floats that stay floats are not clipped.

    Raises:
        TypeError: for types other than uint8, uint16 and floats.
    """
    kind = np.dtype(dtype)
    if kind.kind == "f":
        floats: Array = to_float(image).astype(kind, copy=False)
        return floats
    return to_levels(image, kind)


def _rounded(image: Array, white: int) -> Float32:
    scaled = np.fmax(image, np.float32(0), dtype=np.float32)
    scaled = np.minimum(scaled, np.float32(1))
    scaled *= np.float32(white)
    return np.rint(scaled)


def _within_unit_range(image: Array) -> bool:
    return image.size > 0 and image.ndim in (2, 3) and image.min() >= 0 and image.max() <= 1


def truncated_levels(image: Array) -> npt.NDArray[np.uint8]:
    """Floats 0..1 as uint8 by truncation, as published scripts do it."""
    scaled = np.clip(image.astype(np.float32, copy=False) * np.float32(255), 0, 255)
    levels: npt.NDArray[np.uint8] = scaled.astype(np.uint8)
    return levels


def batch_from_image(image: Array, device: torch.device | str = "cpu") -> torch.Tensor:
    """An image as a float32 batch of one in 0..1 (unclipped for floats).

    Args:
        image: H,W or H,W,3; uint8, uint16 or float.
        device: where the tensor lives; levels travel as levels and are scaled there.

    Returns:
        1,1,H,W or 1,3,H,W.
    """
    import torch  # late: trimap and composite run without it

    planes = image[None, None] if image.ndim == 2 else image.transpose(2, 0, 1)[None]
    if image.dtype == np.uint16:
        planes = planes.astype(np.int32)  # not every torch operator knows uint16
    tensor = torch.from_numpy(np.ascontiguousarray(planes)).to(device)
    if tensor.is_floating_point():
        return tensor.to(torch.float32)
    return tensor.to(torch.float32).div_(levels_max(image.dtype))


def batch_from_images(images: Sequence[Array], device: torch.device | str = "cpu") -> torch.Tensor:
    """Images of one shape as a float32 batch in 0..1 (unclipped for floats).

    They travel as levels, to a GPU from pinned memory and without waiting, and are scaled there.

    Returns:
        N,1,H,W or N,3,H,W; a pixel's channels lie side by side in memory.
    """
    import torch  # late: trimap and composite run without it

    if len({image.dtype for image in images}) > 1:
        return torch.cat([batch_from_images([image], device) for image in images])
    stacked = np.stack(images)
    if stacked.dtype == np.uint16:
        stacked = stacked.astype(np.int32)  # not every torch operator knows uint16
    tensor = torch.from_numpy(stacked)
    if torch.device(device).type == "cuda":
        tensor = tensor.pin_memory()
    tensor = tensor.to(device, non_blocking=True)
    planes = tensor[:, None] if tensor.ndim == 3 else tensor.permute(0, 3, 1, 2)
    if planes.is_floating_point():
        return planes.to(torch.float32)
    return planes.to(torch.float32).div_(levels_max(images[0].dtype))


def image_from_tensor(tensor: torch.Tensor) -> Float32:
    """One image of a batch, as float32 H,W (one channel) or H,W,C.

    Args:
        tensor: C,H,W or H,W, any float type, any device.
    """
    array: npt.NDArray[Any] = tensor.detach().float().cpu().numpy()
    if array.ndim == 2:
        return np.ascontiguousarray(array)
    if array.shape[0] == 1:
        return np.ascontiguousarray(array[0])
    return np.ascontiguousarray(cv2.merge(list(array)))


def tensor_from_array(array: Array) -> torch.Tensor:
    """An array as a tensor on the CPU: the same shape, type and values, nothing scaled.

    Both share memory where the array is contiguous; any other is copied.

    Raises:
        TypeError: torch has no such type.
    """
    import torch  # late: trimap and composite run without it

    return torch.from_numpy(np.ascontiguousarray(array))


def array_from_tensor(tensor: torch.Tensor) -> Array:
    """A tensor as an array: the same shape, type and values, nothing scaled, without gradient.

    Both share memory where the tensor is on the CPU.

    Raises:
        TypeError: NumPy has no such type (bfloat16).
    """
    array: Array = tensor.detach().cpu().numpy()
    return array
