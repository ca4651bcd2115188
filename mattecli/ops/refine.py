"""A network's small alpha at the photo's own resolution, guided by the photo.

Joint upsampling after the fast guided filter (He and Sun, arXiv 1505.00996): near each pixel of
the small alpha, alpha is taken as a linear function of colour, which is fitted on the small photo
and used on the large one. Seven things differ from the published filter:

- A network's alpha is softer than the photo that it saw. Before the fit the small photo is blurred
  too, by the amount that lets colour explain alpha best; otherwise the fit is flat, and most of
  the gain is lost.
- Windows weigh more the better colour explains alpha in them. They are small at plain edges, and
  large where alpha is in between over many pixels, as in hair.
- Where colour explains little of alpha, nothing is added.
- Where the photo varies less within a network's pixel than strands would make it, nothing is added:
  a veil or a border out of focus has no detail but noise.
- Only a band around what the network is unsure of changes. It is as wide as the uncertainty, and
  fades out. Where the photo's noise would show more than its detail, less changes.
- The result, made small again, is what what the network said: the difference is handed back. So
  alpha is moved, not invented. In hair only half is handed back, since a network knows less exactly
  how much hair there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.blocks import Slices, blocks
from mattecli.ops.colour_model import ColourModel, fit_colour_model, smoothed
from mattecli.ops.enlarging import EnlargedPlanes
from mattecli.ops.pixels import Float32, to_float
from mattecli.ops.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from mattecli.records import Array, Size

__all__ = ["band_trimap", "enlarged_alpha", "guided_alpha", "uncertainty"]

_RADIUS = 3  # of a window, pixels; larger for photos that are blurred more
_WIDE_RADIUS = 14  # where alpha is in between over many pixels
_CERTAIN, _WIDE_CERTAIN = 1e-5, 1e-3  # variance of alpha below which models weigh the same
_BLURS = (0.0, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8)  # standard deviations, in the network's pixels
_USUAL_BLUR = 4  # the search for the best begins there
_HAND_BACKS = 2
_LOOSE = 0.5  # of what is missing in wide regions this share is not handed back
_SIDE = 256
_NEAR, _LEAST, _SURE = 2.0, 0.02, 0.12  # of uncertainty: its blur; values taken for 0 and 1
_FAR, _WIDE_LEAST, _WIDE_SURE = 6.0, 0.2, 0.4
_UNEXPLAINED, _EXPLAINED = 0.05, 0.3  # explained share: detail begins to count, counts in full
_FINE, _CALM = 3, 2.0  # cells of a network's pixel each way; blur of the compared variances
_FLAT, _DETAILED = 0.004, 0.02  # variance / p(1-p): detail begins to count, counts in full
_TINY = np.float32(1e-4)
_NOISE_SIDE, _NOISE_SQUARES = 96, 8
_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def enlarged_alpha(coarse: Float32, full: Size, out: Float32 | None = None) -> Float32:
    """Plain cubic enlargement, which keeps edges that grow many times smooth; 0..1.

    Args:
        coarse: alpha, h,w.
        full: the wanted size.
        out: H,W, where to put it.
    """
    grown = cv2.resize(coarse, full, dst=out, interpolation=cv2.INTER_CUBIC)
    return to_float(np.clip(grown, 0, 1, out=grown))


def guided_alpha(color: Array, coarse: Float32, out: Float32 | None = None) -> Float32:
    """A small alpha at the photo's size, with the photo's detail in its uncertain band.

    Args:
        color: the photo, H,W,3 RGB; uint8, uint16 or float32.
        coarse: alpha of the whole photo, h,w, 0..1, smaller.
        out: H,W, where to put it.

    Returns:
        H,W, 0..1; outside the band as ``enlarged_alpha`` has it.
    """
    full = Size.of(color)
    alpha = enlarged_alpha(coarse, full, out)
    wide = _wide(coarse)
    band = _band(coarse, wide)
    if not band.any():
        return alpha
    small = _small_planes(color, Size.of(coarse))
    blur = _matching_blur(small, coarse)
    noise = _noise(color)
    model, worth = _fitted(_blurred(small, blur), coarse, wide, blur, noise)
    band *= worth * _shown(color, model, coarse, noise)
    _apply(model, band, color, alpha)
    trust = band * (1 - _LOOSE * wide)
    for _ in range(_HAND_BACKS):
        again = cv2.resize(alpha, Size.of(coarse), interpolation=cv2.INTER_AREA)
        again = smoothed(to_float(again), blur)
        missing = EnlargedPlanes(np.stack([(coarse - again) * trust, band]), full)
        for part in _parts(missing, full, band=1):
            alpha[part] += missing.at(part)[0]
            np.clip(alpha[part], 0, 1, out=alpha[part])
    return alpha


def uncertainty(coarse: Float32) -> Float32:
    """How far a network's alpha may be refined, h,w: 0 not at all, 1 fully.

    Around a sharp edge this is a narrow band. Around a wide region of in-between alpha, such as
    hair, it reaches farther, since it is uncertain, too, where that ends.

    Args:
        coarse: alpha, h,w, 0..1.
    """
    return _band(coarse, _wide(coarse))


def band_trimap(coarse: Float32, full: Size) -> npt.NDArray[np.uint8]:
    """The trimap that a network's alpha amounts to: unknown is its uncertain band.

    Args:
        coarse: alpha, h,w, 0..1.
        full: the trimap's size.

    Returns:
        uint8 H,W of 0, 128, 255.
    """
    small = np.where(coarse > 0.5, np.uint8(FOREGROUND), np.uint8(BACKGROUND))
    small[uncertainty(coarse) > 0] = UNKNOWN
    return cv2.resize(small, full, interpolation=cv2.INTER_NEAREST).astype(np.uint8, copy=False)


def _small_planes(color: Array, size: Size) -> Float32:
    """The photo at the network's size, 3,h,w, 0..1."""
    small = _unit(cv2.resize(color, size, interpolation=cv2.INTER_AREA))
    return np.stack(cv2.split(small))


def _unit(color: Array) -> Float32:
    """Colours as floats within 0..1; NaN counts as 0."""
    if color.dtype.kind != "f":
        return to_float(color)
    return np.clip(np.nan_to_num(to_float(color), nan=0, posinf=1, neginf=0), 0, 1)


def _blurred(planes: Float32, sigma: float) -> Float32:
    return np.stack([smoothed(plane, sigma) for plane in planes])


def _matching_blur(small: Float32, coarse: Float32) -> float:
    """The blur of the photo at which colour explains alpha best, by descent from the usual one."""
    unsure = 4 * coarse * (1 - coarse)

    def unexplained(index: int) -> float:
        blur = _BLURS[index]
        model = fit_colour_model(_blurred(small, blur), coarse, _radius(blur, _RADIUS))
        return float(cv2.mean(model.residual * unsure)[0])

    best, least = _USUAL_BLUR, unexplained(_USUAL_BLUR)
    for step in (-1, 1):
        index = best + step
        while 0 <= index < len(_BLURS) and (found := unexplained(index)) < least:
            best, least = index, found
            index += step
    return _BLURS[best]


def _fitted(
    small: Float32, coarse: Float32, wide: Float32, blur: float, noise: float
) -> tuple[ColourModel, Float32]:
    """The model at each pixel, and how much of what it adds is detail.

    At a plain edge small windows follow it best. Where alpha is in between over many pixels, as in
    hair, the network says where hair is rather than which strand, and only a window that holds
    background and subject too tells their colours apart.
    """
    near, far = _radius(blur, _RADIUS), _radius(blur, _WIDE_RADIUS)
    close = fit_colour_model(small, coarse, near).agreed(near, _CERTAIN)
    worth = _worth(close, coarse, near, noise)
    if not wide.any():
        return close, worth
    distant = fit_colour_model(small, coarse, far).agreed(far, _WIDE_CERTAIN)
    worth += wide * (_worth(distant, coarse, far, noise) - worth)
    return close.mixed(distant, wide), worth


def _radius(blur: float, radius: int) -> int:
    """Half a window's side, so that as many independent pixels are in each, whatever the blur."""
    return round(radius * max(1.0, blur))


def _band(coarse: Float32, wide: Float32) -> Float32:
    near = (smoothed(4 * coarse * (1 - coarse), _NEAR) - _LEAST) / (_SURE - _LEAST)
    band: Float32 = np.clip(np.maximum(near, wide), 0, 1)
    return band


def _wide(coarse: Float32) -> Float32:
    """Where alpha is in between over many pixels, 0..1."""
    unsure = smoothed(4 * coarse * (1 - coarse), _FAR)
    share: Float32 = np.clip((unsure - _WIDE_LEAST) / (_WIDE_SURE - _WIDE_LEAST), 0, 1)
    return share


def _worth(model: ColourModel, coarse: Float32, radius: int, noise: float) -> Float32:
    """How much of what the model adds is detail, h,w, 0..1.

    As in a Wiener filter: alpha of mean p varies by p(1-p) at most, and the gain amplifies the
    photo's noise. Where colour does not explain the network's alpha, because that is wrong or
    subject and background look alike, the photo's detail says nothing about alpha.
    """
    detail = coarse * (1 - coarse)
    worth: Float32 = detail / (detail + model.grain(noise) + np.float32(1e-6))
    worth *= np.clip((model.explained(radius) - _UNEXPLAINED) / (_EXPLAINED - _UNEXPLAINED), 0, 1)
    return worth


def _shown(color: Array, model: ColourModel, coarse: Float32, noise: float) -> Float32:
    """How far the photo shows detail that alpha may have, h,w, 0..1.

    Strands within a pixel of the network make alpha vary by p(1-p). If it varies much less, that is
    noise or texture under a smooth alpha: a veil, smoke, a border out of focus.
    """
    height, width = coarse.shape
    size = Size(_FINE * width, _FINE * height)
    fine = _unit(cv2.resize(color, size, interpolation=cv2.INTER_AREA))
    seen = [
        sum(gain * fine[i::_FINE, j::_FINE, c] for c, gain in enumerate(model.gain))
        for i in range(_FINE)
        for j in range(_FINE)
    ]
    averaged = min(1.0, size.pixels / Size.of(color).pixels)
    varies = smoothed(to_float(np.var(seen, axis=0)) - model.grain(noise * averaged**0.5), _CALM)
    may = smoothed(coarse * (1 - coarse), _CALM) + _TINY
    shown: Float32 = np.clip((varies / may - _FLAT) / (_DETAILED - _FLAT), 0, 1)
    return shown


def _noise(color: Array) -> float:
    """Standard deviation of the photo's noise, 0..1.

    Immerkær, Fast Noise Variance Estimation, CVIU 1996, on squares spread over the photo. Texture
    looks like noise, so the calmer squares count (the first quartile).
    """
    height, width = color.shape[:2]
    side = min(_NOISE_SIDE, height, width)
    found = []
    for top in _spread(height - side):
        for left in _spread(width - side):
            square = _unit(np.ascontiguousarray(color[top : top + side, left : left + side, 1]))
            response = cv2.filter2D(square, -1, _LAPLACIANS)
            found.append(cv2.norm(response, cv2.NORM_L1) / square.size)
    return float(np.quantile(found, 0.25)) * float(np.sqrt(np.pi / 2)) / 6


def _spread(last: int) -> Iterable[int]:
    """Evenly spaced places from 0 to ``last``, ``_NOISE_SQUARES`` at most, none twice."""
    return dict.fromkeys(np.linspace(0, last, _NOISE_SQUARES).astype(int).tolist())


def _parts(planes: EnlargedPlanes, full: Size, band: int) -> Iterator[Slices]:
    """The blocks of the photo that the band touches."""
    for block in blocks(full, _SIDE, halo=0):
        if planes.touches(block.inner, band):
            yield block.inner


def _apply(model: ColourModel, band: Float32, color: Array, alpha: Float32) -> None:
    """Move alpha to what the model makes of the photo's colours, within the band."""
    full = Size.of(color)
    model_planes = EnlargedPlanes(np.stack([*model.gain, model.offset, band]), full)
    for part in _parts(model_planes, full, band=4):
        *gain, guided, weight = model_planes.at(part)
        for plane, channel in zip(gain, cv2.split(_unit(color[part])), strict=True):
            guided += plane * channel
        np.clip(guided, 0, 1, out=guided)
        guided -= alpha[part]
        guided *= weight
        alpha[part] += guided
