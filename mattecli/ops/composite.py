"""Putting a foreground over a background."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from mattecli.ops.pixels import Float32, to_float, to_levels
from mattecli.records import Array, Size

__all__ = [
    "Placed",
    "blurred",
    "checkerboard",
    "composite",
    "fit_background",
    "join_rgba",
    "place",
    "premultiplied",
]

_STRIP_PIXELS = 1 << 20  # floats of a strip stay near the caches, and memory small
_CHECK_LEVELS = (204, 255)
_BLUR_SHARE = 0.03


def composite(foreground: Array, alpha: Array, background: Array, *, linear: bool = False) -> Array:
    """alpha*F + (1-alpha)*B, rounded.

    Args:
        foreground: H,W,3 RGB, straight; levels or floats.
        alpha: H,W; levels or floats 0..1.
        background: H,W,3; its levels are brought to the foreground's type.
        linear: blend light instead of sRGB values.

    Returns:
        H,W,3 of the foreground's type.
    """
    blended = np.empty(foreground.shape, foreground.dtype)
    for rows in _strips(foreground):
        share = to_float(alpha[rows])[..., None]
        front, back = to_float(foreground[rows]), to_float(background[rows])
        if linear:
            mixed = _encoded(share * _decoded(front) + (1 - share) * _decoded(back))
        else:
            mixed = back + share * (front - back)
        blended[rows] = _like(mixed, foreground)
    return blended


def premultiplied(foreground: Array, alpha: Array) -> Array:
    """Associated colours: alpha*F, rounded.

    Args:
        foreground: H,W,3, straight.
        alpha: H,W; levels or floats 0..1.
    """
    product = np.empty(foreground.shape, foreground.dtype)
    for rows in _strips(foreground):
        share = to_float(alpha[rows])[..., None]
        product[rows] = _like(share * to_float(foreground[rows]), foreground)
    return product


def join_rgba(color: Array, alpha: Array) -> Array:
    """H,W,4 from colours and alpha; the alpha is brought to the colours' type."""
    if np.issubdtype(color.dtype, np.floating):
        matched: Array = to_float(alpha)
    else:
        matched = to_levels(alpha, color.dtype)
    joined: Array = cv2.merge([*cv2.split(color), matched])
    return joined


def fit_background(
    background: Array, size: Size, fit: Literal["cover", "contain", "stretch", "tile"] = "cover"
) -> Array:
    """A background at the size of the picture that it stands behind.

    Args:
        background: H,W,3.
        size: the wanted size.
        fit: ``cover`` fills the frame and cuts what is over, ``contain`` shows all of it on a
            continuation of its border, ``stretch`` ignores the aspect ratio, ``tile`` repeats it.
    """
    have = Size.of(background)
    if have == size:
        return background
    if fit == "stretch":
        return _resized(background, size)
    if fit == "tile":
        across, down = -(-size.width // have.width), -(-size.height // have.height)
        tiled: Array = np.tile(background, (down, across, 1))[: size.height, : size.width]
        return tiled
    ratios = (size.width / have.width, size.height / have.height)
    scale = max(ratios) if fit == "cover" else min(ratios)
    scaled = _resized(background, Size(*(max(1, round(side * scale)) for side in have)))
    return _centred(scaled, size)


def _centred(image: Array, size: Size) -> Array:
    """The middle of an image, or the image in the middle of a continuation of its border."""
    have = Size.of(image)
    wide, high = max(have.width, size.width), max(have.height, size.height)
    left, top = (wide - have.width) // 2, (high - have.height) // 2
    right, below = wide - have.width - left, high - have.height - top
    image = cv2.copyMakeBorder(image, top, below, left, right, cv2.BORDER_REPLICATE)
    x, y = (wide - size.width) // 2, (high - size.height) // 2
    return image[y : y + size.height, x : x + size.width]


@dataclass(frozen=True, slots=True)
class Placed:
    """A foreground at its place: colours H,W,3 and alpha H,W of the frame's size."""

    color: Array
    alpha: Array


def place(
    color: Array, alpha: Array, *, scale: float = 1.0, offset: tuple[int, int] = (0, 0)
) -> Placed:
    """The foreground enlarged about the frame's centre, then moved; the frame stays as it is.

    Args:
        color: H,W,3, straight.
        alpha: H,W.
        scale: enlargement.
        offset: pixels to the right and down.
    """
    size = Size.of(color)
    if scale != 1:
        scaled = Size(*(max(1, round(side * scale)) for side in size))
        cover = _resized(alpha, scaled)
        # Weighted by alpha, so that hidden colours do not mix into the edge.
        weighted = _resized(premultiplied(to_float(color), alpha), scaled)
        share = np.maximum(to_float(cover), np.float32(1e-6))[..., None]
        color, alpha = _like(np.clip(weighted / share, 0, 1), color), cover
    have = Size.of(color)
    left = (size.width - have.width) // 2 + offset[0]
    top = (size.height - have.height) // 2 + offset[1]
    return Placed(_pasted(color, size, left, top), _pasted(alpha, size, left, top))


def _pasted(image: Array, size: Size, left: int, top: int) -> Array:
    frame = np.zeros((size.height, size.width, *image.shape[2:]), image.dtype)
    have = Size.of(image)
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + have.width, size.width), min(top + have.height, size.height)
    if x1 > x0 and y1 > y0:
        frame[y0:y1, x0:x1] = image[y0 - top : y1 - top, x0 - left : x1 - left]
    return frame


def blurred(color: Array, alpha: Array, sigma: float | None = None) -> Array:
    """The photo's background blurred, with no trace of the subject in it.

    A normalised blur: each pixel counts by how much background it shows; where a wide subject
    leaves nothing near, the blur widens until something is in reach.

    Args:
        color: H,W,3.
        alpha: H,W.
        sigma: of the Gaussian, in pixels; None: 3 % of the longer side.
    """
    size = Size.of(color)
    sigma = sigma if sigma is not None else max(size) * _BLUR_SHARE
    # A blur this wide loses nothing at a reduced size.
    step = max(1, int(sigma / 4))
    small = Size(max(1, size.width // step), max(1, size.height // step))
    share = cv2.resize(1 - to_float(alpha), small, interpolation=cv2.INTER_AREA)[..., None]
    # What shines through the soft edge of the subject is mixed with it.
    weight: Float32 = np.where(share > 0.99, share, 0).astype(np.float32)
    layer = to_float(cv2.resize(to_float(color), small, interpolation=cv2.INTER_AREA))
    filled = _normalised_blur(to_float(layer * weight), weight, sigma / step)
    return _like(_resized(filled, size), color)


def _normalised_blur(layer: Float32, weight: Float32, sigma: float) -> Float32:
    result = np.zeros_like(layer)
    open_share = np.ones_like(weight)
    longest = max(layer.shape[:2])
    while True:
        mass = cv2.GaussianBlur(weight, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)[..., None]
        color = cv2.GaussianBlur(layer, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        use = open_share * np.minimum(1, mass * 20)
        result += use * color / np.maximum(mass, np.float32(1e-6))
        open_share = open_share - use
        if open_share.max() < 1e-3 or sigma > longest:
            return result
        sigma *= 2


def checkerboard(size: Size, square: int = 12) -> Array:
    """A grey and white board, uint8 H,W,3: what transparent pictures are shown on."""
    rows, columns = np.ogrid[: size.height, : size.width]
    dark = ((rows // square + columns // square) % 2).astype(np.uint8)
    board: Array = cv2.LUT(dark, np.resize(np.array(_CHECK_LEVELS, np.uint8), 256))
    return np.repeat(board[..., None], 3, axis=2)


def _strips(image: Array) -> Iterator[slice]:
    height = max(1, _STRIP_PIXELS // max(image.shape[1], 1))
    for top in range(0, image.shape[0], height):
        yield slice(top, top + height)


def _like(values: Float32, image: Array) -> Array:
    return values if np.issubdtype(image.dtype, np.floating) else to_levels(values, image.dtype)


def _resized(image: Array, size: Size) -> Array:
    have = Size.of(image)
    shrinks = size.width <= have.width and size.height <= have.height
    resized: Array = cv2.resize(
        image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    )
    return resized


def _decoded(values: Float32) -> Float32:
    """sRGB values to linear light (IEC 61966-2-1)."""
    bright = np.power((np.maximum(values, 0) + 0.055) / 1.055, np.float32(2.4))
    return np.where(values <= 0.04045, values / np.float32(12.92), bright)


def _encoded(light: Float32) -> Float32:
    """Linear light to sRGB values."""
    bright = 1.055 * np.power(np.maximum(light, 0), np.float32(1 / 2.4)) - 0.055
    return np.where(light <= 0.0031308, light * np.float32(12.92), bright.astype(np.float32))
