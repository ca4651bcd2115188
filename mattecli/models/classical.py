"""Solvers without weights, by PyMatting (Germer et al., JOSS 2020)."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from mattecli.errors import ResourceError
from mattecli.models.pymatting_import import import_pymatting
from mattecli.models.random_walk import solve_random_walk
from mattecli.ops.blocks import Slices
from mattecli.ops.pixels import Float32, to_float
from mattecli.ops.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from mattecli.records import Array, Size

__all__ = ["region", "shows_both", "solve"]

_REACH, _REACH_OF_LARGE_KERNELS = 16, 48
"""Known pixels kept round the unknown region. The windows of closed-form, learning-based and
random-walk matting reach one or two pixels; those of large kernels couple pixels 20 apart, and
known pixels, which are held by a weight alone, pass that on: 40 leave 4e-4 of alpha, 16 up to 0.3.
"""


def solve(name: str, color: Array, trimap: npt.NDArray[np.uint8]) -> Float32:
    """Alpha from a photo and its trimap.

    Only the part of the photo that holds unknown pixels is solved. If all certain pixels in it are
    of one kind, so are the unknown ones: a constant alpha, and no other, costs nothing, since each
    row of a Laplacian sums to 0.

    Args:
        name: closed-form, knn, lkm, rw or lbdm.
        color: H,W,3 RGB; uint8, uint16 or float32.
        trimap: H,W of 0, 128, 255.

    Returns:
        H,W in 0..1; 0 and 1 where the trimap knows.

    Raises:
        MemoryError: the linear system did not fit.
        ResourceError: the solver failed.
    """
    alpha = np.where(trimap == FOREGROUND, np.float32(1), np.float32(0))
    if not (trimap == UNKNOWN).any():
        return alpha
    part = _part(trimap, name)
    if name != "knn" and (only := _only_neighbour(trimap[part])) is not None:
        alpha[trimap == UNKNOWN] = only
        return alpha
    values = np.where(trimap[part] == UNKNOWN, 0.5, alpha[part]).astype(np.float64)
    solved = _run(_solver(name), to_float(color[part]).clip(0, 1).astype(np.float64), values)
    unknown = trimap[part] == UNKNOWN
    alpha[part][unknown] = np.clip(solved[unknown], 0, 1)
    return alpha


def shows_both(trimap: npt.NDArray[np.uint8], name: str) -> bool:
    """Whether the part of a photo that would be solved holds foreground and background."""
    levels = trimap[_part(trimap, name)]
    return bool((levels == BACKGROUND).any() and (levels == FOREGROUND).any())


def _only_neighbour(trimap: npt.NDArray[np.uint8]) -> int | None:
    """The alpha of all certain pixels, None where they differ or there are none."""
    has_foreground, has_background = (trimap == FOREGROUND).any(), (trimap == BACKGROUND).any()
    return None if has_foreground == has_background else int(has_foreground)


def region(trimap: npt.NDArray[np.uint8], name: str) -> Size:
    """The size of the part of a photo that is solved as a whole."""
    rows, columns = _part(trimap, name)
    return Size(columns.stop - columns.start, rows.stop - rows.start)


def _part(trimap: npt.NDArray[np.uint8], name: str) -> Slices:
    """The unknown pixels, and the known ones around them that count."""
    height, width = trimap.shape
    if name == "knn":  # its neighbours may lie anywhere in the photo
        return slice(0, height), slice(0, width)
    unknown = trimap == UNKNOWN
    reach = _REACH_OF_LARGE_KERNELS if name == "lkm" else _REACH
    return _span(unknown.any(axis=1), reach), _span(unknown.any(axis=0), reach)


def _span(holds: npt.NDArray[np.bool_], reach: int) -> slice:
    places = np.flatnonzero(holds)
    if not places.size:
        return slice(0, 0)
    return slice(max(int(places[0]) - reach, 0), min(int(places[-1]) + 1 + reach, len(holds)))


def _solver(name: str) -> Callable[..., npt.NDArray[np.float64]]:
    pymatting = import_pymatting()
    solvers: dict[str, Callable[..., npt.NDArray[np.float64]]] = {
        "closed-form": pymatting.estimate_alpha_cf,
        "knn": pymatting.estimate_alpha_knn,
        "lkm": pymatting.estimate_alpha_lkm,
        "rw": solve_random_walk,
        "lbdm": pymatting.estimate_alpha_lbdm,
    }
    return solvers[name]


def _run(
    solver: Callable[..., npt.NDArray[np.float64]],
    image: npt.NDArray[np.float64],
    trimap: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about trimaps without a region: already judged
            return solver(image, trimap)
    except ValueError as error:
        raise ResourceError(f"the solver failed ({error})", remedy="try another --model") from error
