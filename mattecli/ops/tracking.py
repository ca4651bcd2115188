"""Finds how a plain scene has moved between two pictures, where matching features fails.

Where hardly anything stands out (sky, paint, blurred backgrounds), edges still have directions.
Correlating these gives the overall shift; then corners are tracked from one picture to the other.
"""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from mattecli.ops.pixels import Float32, to_float
from mattecli.records import Array, Size

__all__ = ["track_corners"]

Float64 = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex64]

_SHIFT_SIDE = 320  # long side at which the shift is looked for
_WORK_SIDE = 960  # long side at which corners are tracked
_MOST_SHIFT = 0.15  # of each side
_EVEN = 0.012  # gradients (0..1 a pixel) well below this are noise
_CORNERS = 800
_WINDOW = 21  # pixels; Lucas and Kanade's
_RETURN = 0.7  # pixels by which a corner, tracked there and back, may miss its start
_ALIKE = 0.8  # least correlation of a corner's surroundings in both pictures
_MARGIN = 0.02  # of the long side; nothing this near to the subject is tracked


def track_corners(moved: Array, fixed: Array, mask: Array | None) -> tuple[Float64, Float64]:
    """Corners of ``fixed`` that are seen in ``moved`` too.

    Args:
        moved, fixed: H,W or H,W,3 of any type of pixels, of about the same view.
        mask: of ``fixed``, H,W; nothing is looked for where it is above 0.

    Returns:
        Their places in ``moved`` and in ``fixed``, K,2 (x, y) each.
    """
    given, size = Size.of(moved), Size.of(fixed)
    scale = min(1.0, _WORK_SIDE / max(size))
    work = size.scaled(scale)
    there, here = _grey(moved, work), _grey(fixed, work)
    free = _free(mask, work)
    shift = _shift(there, here, free)
    carried = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
    seen = cv2.warpAffine(there, carried, work, borderMode=cv2.BORDER_REPLICATE)
    start, end = _followed(_evened(here), _evened(np.asarray(seen, np.float32)), free)
    return _scaled(end - shift, work, given), _scaled(start, work, size)


def _grey(image: Array, size: Size) -> Float32:
    grey: Array = np.clip(to_float(image), 0, 1)
    if grey.ndim == 3:
        grey = cv2.cvtColor(grey, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), np.float32)


def _free(mask: Array | None, size: Size) -> npt.NDArray[np.uint8]:
    """255 where background may be seen, away from the subject's rim."""
    if mask is None:
        return np.full((size.height, size.width), 255, np.uint8)
    subject = cv2.resize((mask > 0).astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    reach = 2 * round(_MARGIN * max(size)) + 1
    return np.asarray(255 * (cv2.dilate(subject, np.ones((reach, reach), np.uint8)) == 0), np.uint8)


def _shift(moved: Float32, fixed: Float32, free: npt.NDArray[np.uint8]) -> Float64:
    """Pixels that ``moved`` has to go to lie on ``fixed``, (x, y).

    Directions of edges are correlated, so exposure does not matter, and a subject that is in one
    picture only counts by its outline alone.
    """
    scale = min(1.0, _SHIFT_SIDE / max(fixed.shape))
    small = Size(round(fixed.shape[1] * scale) or 1, round(fixed.shape[0] * scale) or 1)
    here = _directions(fixed, small)
    here *= cv2.resize(free, small, interpolation=cv2.INTER_NEAREST) > 0
    padded = (2 * small.height, 2 * small.width)
    spectrum = np.conj(np.fft.fft2(_directions(moved, small), padded)) * np.fft.fft2(here, padded)
    fit = np.fft.ifft2(spectrum).real
    y, x = (np.fft.fftfreq(n, 1 / n) for n in padded)
    far = (np.abs(y) > _MOST_SHIFT * small.height)[:, None] | (
        np.abs(x) > _MOST_SHIFT * small.width
    )[None]
    fit[far] = -np.inf
    row, column = np.unravel_index(np.argmax(fit), fit.shape)
    shift: Float64 = np.array([x[column], y[row]]) / scale
    return shift


def _directions(grey: Float32, size: Size) -> Complex:
    """Unit vectors across edges, as complex numbers; shorter where the picture is even."""
    small = cv2.GaussianBlur(cv2.resize(grey, size, interpolation=cv2.INTER_AREA), (0, 0), 1.0)
    across = cv2.Sobel(small, cv2.CV_32F, 1, 0, scale=1 / 8)
    down = cv2.Sobel(small, cv2.CV_32F, 0, 1, scale=1 / 8)
    gradient = across + np.complex64(1j) * down
    unit: Complex = (gradient / np.hypot(np.abs(gradient), _EVEN)).astype(np.complex64)
    return unit


def _evened(grey: Float32) -> npt.NDArray[np.uint8]:
    """Independent of exposure: pixels relative to the mean and contrast around them, as levels."""
    mean = cv2.GaussianBlur(grey, (0, 0), 12)
    spread = np.sqrt(cv2.GaussianBlur((grey - mean) ** 2, (0, 0), 12))
    return np.asarray(np.clip(128 + 48 * (grey - mean) / (spread + _EVEN), 0, 255), np.uint8)


def _followed(
    fixed: npt.NDArray[np.uint8], moved: npt.NDArray[np.uint8], free: npt.NDArray[np.uint8]
) -> tuple[Float64, Float64]:
    """Corners of ``fixed``, and where they are in ``moved`` (Lucas and Kanade, IJCAI 1981)."""
    corners = cv2.goodFeaturesToTrack(fixed, _CORNERS, 0.01, 8, mask=free, blockSize=7)
    if corners is None:  # its type hints leave this case out
        return np.zeros((0, 2)), np.zeros((0, 2))  # type: ignore[unreachable]
    window = (_WINDOW, _WINDOW)
    start = np.asarray(corners, np.float32)
    there, went, _ = cv2.calcOpticalFlowPyrLK(fixed, moved, start, None, winSize=window)  # type: ignore[call-overload] # its hints forbid the documented None
    back, came, _ = cv2.calcOpticalFlowPyrLK(moved, fixed, there, None, winSize=window)  # type: ignore[call-overload] # likewise
    kept = (went & came).ravel() > 0
    kept &= np.linalg.norm((back - start)[:, 0], axis=1) < _RETURN
    pairs = [
        (a, b)
        for a, b in zip(start[kept, 0], there[kept, 0], strict=True)
        if _correlation(fixed, a, moved, b) > _ALIKE
    ]
    found = np.array(pairs, np.float64).reshape(-1, 2, 2)
    return found[:, 0], found[:, 1]


def _correlation(first: Array, a: Float32, second: Array, b: Float32) -> float:
    """Of the surroundings of ``a`` in ``first`` and of ``b`` in ``second``, -1..1."""
    size = (_WINDOW, _WINDOW)
    one, two = (
        cv2.getRectSubPix(image, size, (float(x), float(y))).astype(np.float32)
        for image, (x, y) in ((first, a), (second, b))
    )
    return float(cv2.matchTemplate(one, two, cv2.TM_CCOEFF_NORMED)[0, 0])


def _scaled(points: Float64, start: Size, end: Size) -> Float64:
    """Points in a picture of size ``start``, after it is resized to ``end``."""
    factor = np.array(end) / np.array(start)
    scaled: Float64 = (points + 0.5) * factor - 0.5
    return scaled
