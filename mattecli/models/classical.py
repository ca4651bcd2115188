"""Solvers without weights, by PyMatting (Germer et al., JOSS 2020).

PyMatting is imported on first use only: its first import on a machine compiles for half a minute.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mattecli.errors import ResourceError
from mattecli.ops.pixels import Float32, to_float
from mattecli.records import Array

__all__ = ["import_pymatting", "solve"]

_REACH = 16
"""Known pixels kept round the unknown region. Closed-form and random-walk windows reach one or two
pixels, large-kernel windows ten; beyond it the known alpha says all."""


def solve(name: str, color: Array, trimap: npt.NDArray[np.uint8]) -> Float32:
    """Alpha from a photo and its trimap.

    Only the part of the photo that holds unknown pixels is solved.

    Args:
        name: closed-form, knn, lkm, rw or lbdm.
        color: H,W,3 RGB; uint8, uint16 or float32.
        trimap: H,W of 0, 128, 255.

    Returns:
        H,W in 0..1; 0 and 1 where the trimap knows.

    Raises:
        ResourceError: the linear system did not fit into memory, or has no solution in reach.
    """
    alpha = np.where(trimap == 255, np.float32(1), np.float32(0))
    rows, columns = np.nonzero(trimap == 128)
    if rows.size == 0:
        return alpha
    part = (_span(rows, trimap.shape[0], name), _span(columns, trimap.shape[1], name))
    values = np.where(trimap[part] == 128, 0.5, alpha[part]).astype(np.float64)
    solved = _run(_solver(name), to_float(color[part]).clip(0, 1).astype(np.float64), values)
    unknown = trimap[part] == 128
    alpha[part][unknown] = np.clip(solved[unknown], 0, 1)
    return alpha


def _span(indices: npt.NDArray[np.intp], length: int, name: str) -> slice:
    if name == "knn":  # its neighbours may lie anywhere in the photo
        return slice(0, length)
    return slice(max(int(indices.min()) - _REACH, 0), min(int(indices.max()) + 1 + _REACH, length))


def import_pymatting() -> Any:
    """PyMatting, silent on standard output."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba's, about its cache
        import pymatting

    # Its preconditioner prints advice for programmers; standard output is the user's data.
    vars(sys.modules["pymatting.preconditioner.ichol"])["print"] = lambda *_words: None
    return pymatting


def _solver(name: str) -> Callable[..., npt.NDArray[np.float64]]:
    pymatting = import_pymatting()
    solvers: dict[str, Callable[..., npt.NDArray[np.float64]]] = {
        "closed-form": pymatting.estimate_alpha_cf,
        "knn": pymatting.estimate_alpha_knn,
        "lkm": pymatting.estimate_alpha_lkm,
        "rw": pymatting.estimate_alpha_rw,
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
            warnings.simplefilter("ignore")  # a trimap without one region is judged by the caller
            return solver(image, trimap)
    except MemoryError:
        raise ResourceError(
            f"the solver ran out of memory on {image.shape[1]}x{image.shape[0]} pixels",
            remedy="use a narrower unknown band or a smaller photo",
        ) from None
    except ValueError as error:
        raise ResourceError(f"the solver failed ({error})", remedy="try another --model") from error
