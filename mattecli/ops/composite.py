"""Putting a foreground over a background."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np

from mattecli.ops.blocks import strips
from mattecli.ops.pixels import Float32, as_type, levels_max, to_float
from mattecli.records import Array, Size

__all__ = [
    "Placed",
    "associated",
    "blurred",
    "checkerboard",
    "composite",
    "fit_background",
    "join_rgba",
    "place",
    "premultiplied",
    "unpremultiplied",
]

_STRIP_PIXELS = 1 << 15  # a strip's floats fit a processor's second-level cache
_CHECK_LEVELS = (204, 255)
_CHECK_SIDE = 12  # of a checkerboard's square, pixels
_BLUR_SHARE = 0.03
_FAINT = np.float32(1e-6)


def composite(foreground: Array, alpha: Array, background: Array, *, linear: bool = False) -> Array:
    """alpha*F + (1-alpha)*B, rounded.

    Args:
        foreground: H,W,3 RGB, straight; levels or floats.
        alpha: H,W; levels or floats 0..1.
        background: H,W,3; its levels are brought to the foreground's type.
        linear: blend linear light instead of sRGB values; floats too are taken as sRGB.

    Returns:
        H,W,3 of the foreground's type.
    """
    blended = np.empty(foreground.shape, foreground.dtype)
    read = _light if linear else to_float
    for rows in _strips(foreground):
        back = read(background[rows])
        mixed = read(foreground[rows]) - back
        mixed *= to_float(alpha[rows])[..., None]
        mixed += back
        blended[rows] = as_type(_encoded(mixed) if linear else mixed, foreground.dtype)
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
        product[rows] = as_type(share * to_float(foreground[rows]), foreground.dtype)
    return product


def unpremultiplied(associated: Array, alpha: Array) -> Array:
    """Straight colours out of associated ones, rounded; black where alpha is 0.

    Args:
        associated: H,W,3, multiplied with alpha.
        alpha: H,W; levels or floats 0..1.
    """
    straight = np.empty(associated.shape, associated.dtype)
    for rows in _strips(associated):
        share = to_float(alpha[rows])[..., None]
        colors = to_float(associated[rows]) / np.maximum(share, _FAINT)
        straight[rows] = as_type(np.where(share > 0, colors, np.float32(0)), associated.dtype)
    return straight


def join_rgba(color: Array, alpha: Array) -> Array:
    """H,W,4 from colours and alpha; the alpha is brought to the colours' type."""
    matched = as_type(alpha, color.dtype)
    joined = np.empty((*color.shape[:2], 4), color.dtype)
    sources = [np.ascontiguousarray(color), np.ascontiguousarray(matched)]
    cv2.mixChannels(sources, [joined], [0, 0, 1, 1, 2, 2, 3, 3])
    return joined


def fit_background(
    background: Array, size: Size, fit: Literal["cover", "contain", "stretch", "tile"] = "cover"
) -> Array:
    """A background at the size of the picture that it stands behind.

    Args:
        background: H,W,3.
        size: the wanted size.
        fit: ``cover`` fills the frame and crops the rest, ``contain`` shows all of it and extends
            its border, ``stretch`` ignores the aspect ratio, ``tile`` repeats it.
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
    if fit == "cover":  # crop first: a narrow strip, enlarged whole, would be huge
        return _resized(_middle(background, _largest_inside(have, size)), size)
    scaled = _resized(background, _largest_inside(size, have))
    have = Size.of(scaled)
    left, top = (size.width - have.width) // 2, (size.height - have.height) // 2
    right, below = size.width - have.width - left, size.height - have.height - top
    return cv2.copyMakeBorder(scaled, top, below, left, right, cv2.BORDER_REPLICATE)


def _largest_inside(frame: Size, shape: Size) -> Size:
    """The largest size with the aspect ratio of ``shape`` that fits into ``frame``."""
    return shape.scaled(min(frame.width / shape.width, frame.height / shape.height))


def _middle(image: Array, size: Size) -> Array:
    have = Size.of(image)
    x, y = (have.width - size.width) // 2, (have.height - size.height) // 2
    return image[y : y + size.height, x : x + size.width]


@dataclass(frozen=True, slots=True)
class Placed:
    """A foreground at its place: colours H,W,3 and alpha H,W of the frame's size."""

    color: Array
    alpha: Array


def place(
    color: Array, alpha: Array, *, scale: float = 1.0, offset: tuple[int, int] = (0, 0)
) -> Placed:
    """The foreground scaled about the frame's centre, then moved; the frame keeps its size.

    Args:
        color: H,W,3, straight.
        alpha: H,W.
        scale: factor; above 1 enlarges.
        offset: pixels to the right and down.
    """
    size = Size.of(color)
    across = _seen(size.width, scale, offset[0])
    down = _seen(size.height, scale, offset[1])
    color, alpha = color[down.source, across.source], alpha[down.source, across.source]
    if scale != 1 and alpha.size:
        scaled = Size(across.length, down.length)
        cover = _resized(to_float(alpha), scaled)
        # Weighted by alpha, so that hidden colours do not mix into the edge.
        weighted = _resized(premultiplied(to_float(color), alpha), scaled)
        color, alpha = (
            as_type(unpremultiplied(weighted, cover), color.dtype),
            as_type(cover, alpha.dtype),
        )
    corner = (across.start, down.start)
    return Placed(_pasted(color, size, corner), _pasted(alpha, size, corner))


@dataclass(frozen=True, slots=True)
class _Seen:
    """Along one axis: which source pixels will be in the frame, where they begin, how long."""

    source: slice
    start: int
    length: int


def _seen(side: int, scale: float, offset: int) -> _Seen:
    start = round((side - side * scale) / 2) + offset
    first = min(max(math.floor(-start / scale), 0), side)
    last = max(min(math.ceil((side - start) / scale), side), first)
    begin, end = round(first * scale), round(last * scale)
    return _Seen(slice(first, last), start + begin, max(end - begin, 1))


def _pasted(image: Array, size: Size, corner: tuple[int, int]) -> Array:
    """The image on an empty frame, its top left pixel at ``corner`` (x, y)."""
    frame = np.zeros((size.height, size.width, *image.shape[2:]), image.dtype)
    have, (left, top) = Size.of(image), corner
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + have.width, size.width), min(top + have.height, size.height)
    if x1 > x0 and y1 > y0:
        frame[y0:y1, x0:x1] = image[y0 - top : y1 - top, x0 - left : x1 - left]
    return frame


def blurred(color: Array, alpha: Array, sigma: float | None = None) -> Array:
    """The photo's background blurred, with no trace of the subject in it.

    A normalised blur: only pixels that show the background alone count; where a wide subject
    leaves nothing near, the blur widens until something is in reach.

    Args:
        color: H,W,3.
        alpha: H,W.
        sigma: of the Gaussian, in pixels; None: 3 % of the longer side.
    """
    size = Size.of(color)
    sigma = sigma if sigma is not None else max(size) * _BLUR_SHARE
    # So wide a blur loses nothing if it is computed at a reduced size.
    step = max(1, int(sigma / 4))
    small = Size(max(1, size.width // step), max(1, size.height // step))
    shown = 1 - to_float(cv2.resize(alpha, small, interpolation=cv2.INTER_AREA))
    # Pixels in the subject's soft edge are mixed with it: they count only if there are no others.
    alone = np.where(shown > 0.99, shown, np.float32(0))
    weight = alone if alone.any() else shown + _FAINT
    layer = to_float(cv2.resize(color, small, interpolation=cv2.INTER_AREA))
    filled = _normalised_blur(layer * weight[..., None], weight, sigma / step)
    return as_type(_resized(filled, size), color.dtype)


def _normalised_blur(layer: Float32, weight: Float32, sigma: float) -> Float32:
    """``layer`` (colours, H,W,3, times their weights, H,W) blurred, over the blurred weights."""
    result = np.zeros_like(layer)
    missing = np.ones_like(weight)
    longest = max(weight.shape)
    while missing.max() > 1e-3:
        mass = cv2.GaussianBlur(weight, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        color = cv2.GaussianBlur(layer, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        # A twentieth of the full mass is enough; in the last, widest pass, any mass is.
        use = missing * np.minimum(1, mass * 20) if sigma <= longest else missing
        result += (use / np.maximum(mass, _FAINT))[..., None] * color
        missing = missing - use
        sigma *= 2
    return result


def checkerboard(size: Size) -> Array:
    """A grey and white board, uint8 H,W,3: what transparent pictures are shown on."""
    rows, columns = np.ogrid[: size.height, : size.width]
    dark = ((rows // _CHECK_SIDE + columns // _CHECK_SIDE) % 2).astype(np.uint8)
    board: Array = cv2.LUT(dark, np.resize(np.array(_CHECK_LEVELS, np.uint8), 256))
    return np.repeat(board[..., None], 3, axis=2)


def _strips(image: Array) -> Iterator[slice]:
    return strips(len(image), max(1, _STRIP_PIXELS // max(image.shape[1], 1)))


def _resized(image: Array, size: Size) -> Array:
    """The image at another size; enlarged floats are linear, as a cubic may leave their range."""
    have = Size.of(image)
    if size.width <= have.width and size.height <= have.height:
        how = cv2.INTER_AREA
    else:
        how = cv2.INTER_LINEAR if np.issubdtype(image.dtype, np.floating) else cv2.INTER_CUBIC
    resized: Array = cv2.resize(image, size, interpolation=how)
    return resized


def _light(values: Array) -> Float32:
    """Linear light of sRGB values."""
    if np.issubdtype(values.dtype, np.floating):
        return _decoded(to_float(values))
    lights: Float32 = _lights(values.dtype.str)[values]
    return lights


@functools.cache
def _lights(dtype: str) -> Float32:
    """Linear light of every level of a type."""
    return _decoded(to_float(np.arange(levels_max(dtype) + 1).astype(dtype)))


def _decoded(values: Float32) -> Float32:
    """sRGB values to linear light (IEC 61966-2-1)."""
    bright = np.power((np.maximum(values, 0) + 0.055) / 1.055, np.float32(2.4))
    return np.where(values <= 0.04045, values / np.float32(12.92), bright)


def _encoded(light: Float32) -> Float32:
    """Linear light to sRGB values."""
    bright = 1.055 * np.power(np.maximum(light, 0), np.float32(1 / 2.4)) - 0.055
    return np.where(light <= 0.0031308, light * np.float32(12.92), bright.astype(np.float32))


def associated(rgba: Array) -> Array:
    """H,W,4 with its straight colours multiplied by its alpha, of the same type; levels rounded."""
    return join_rgba(premultiplied(rgba[..., :3], rgba[..., 3]), rgba[..., 3])
