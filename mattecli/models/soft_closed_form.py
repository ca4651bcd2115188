"""Closed-form matting of an uncertain band, with a roughly known alpha as its prior.

Levin, Lischinski, Weiss, "A Closed-Form Solution to Natural Image Matting", TPAMI 2008: alpha is
the x that minimises x^T L x + (x - p)^T C (x - p), with L the matting Laplacian, p the prior and C
its weight (their section 3.2 on confidences): high where alpha is known, low in the band. Because
each pixel has a prior, distant pixels do not matter and tiles can be solved alone.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mattecli.errors import ResourceError
from mattecli.models.pymatting_import import import_pymatting
from mattecli.ops.blocks import blocks
from mattecli.ops.pixels import Float32, to_float
from mattecli.ops.trimap import UNKNOWN
from mattecli.records import Array, Size

__all__ = ["solve_band"]

_SIDE = 448
_HALO = 32  # pixels solved around a tile; what lies beyond is outweighed by the prior
_BELIEF_KNOWN, _BELIEF_BAND = 100.0, 0.01
_SHIFTS = (0.0, 1e-4, 1e-3, 1e-2, 0.1, 0.5, 1.0, 10.0)  # as PyMatting tries them
_TOLERANCE, _MOST_ITERATIONS = 1e-6, 2000


def solve_band(color: Array, prior: Float32, trimap: Array) -> Float32:
    """Alpha whose unknown pixels agree with the photo; the others stay as they are.

    Args:
        color: H,W,3 RGB; uint8, uint16 or float32.
        prior: H,W, 0..1.
        trimap: H,W of 0, 128, 255; only its unknown pixels are solved.

    Returns:
        H,W, 0..1.

    Raises:
        ResourceError: a linear system did not fit into memory, or the solver failed.
    """
    alpha = prior.copy()
    for block in blocks(Size.of(prior), _SIDE, _HALO):
        if (trimap[block.inner] == UNKNOWN).any():
            unknown = trimap[block.outer] == UNKNOWN
            piece = np.clip(to_float(color[block.outer]), 0, 1).astype(np.float64)
            solved = _solved(piece, prior[block.outer], ~unknown)
            chosen = unknown[block.core]
            alpha[block.inner][chosen] = solved[block.core][chosen]
    return alpha


def _solved(
    image: npt.NDArray[np.float64], prior: Float32, known: npt.NDArray[np.bool_]
) -> Float32:
    pymatting = import_pymatting()
    belief = np.where(known, _BELIEF_KNOWN, _BELIEF_BAND).ravel()
    start = prior.ravel().astype(np.float64)
    try:
        system = pymatting.cf_laplacian(image, is_known=known.ravel())
        system.setdiag(system.diagonal() + belief)
        found = pymatting.cg(
            system,
            belief * start,
            x0=start,
            M=pymatting.ichol(system, shifts=_SHIFTS),
            rtol=_TOLERANCE,
            maxiter=_MOST_ITERATIONS,
        )
    except MemoryError:
        raise ResourceError(
            "the closed-form solver ran out of memory", remedy="use --refine guided"
        ) from None
    except ValueError as error:
        raise ResourceError(
            f"the closed-form solver failed ({error})", remedy="use --refine guided"
        ) from error
    solved: Float32 = np.clip(found.reshape(prior.shape), 0, 1).astype(np.float32)
    return solved
