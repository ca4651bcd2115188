"""PyMatting, imported on first use: its first import on a machine compiles for half a minute."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

__all__ = ["import_pymatting"]


def import_pymatting() -> Any:
    """PyMatting, silent on standard output, on as many threads as everything else.

    Numba starts a thread for each core, whatever OpenMP was told; and the thread that calls it
    first then runs PyTorch's operators on as many threads.
    """
    told = os.environ.get("OMP_NUM_THREADS", "").split(",")[0]  # one number for each nested level
    if told.isdecimal():
        os.environ.setdefault("NUMBA_NUM_THREADS", told)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numba's, about its cache
        import pymatting

    # Its preconditioner prints advice for programmers; standard output is the user's data.
    vars(sys.modules["pymatting.preconditioner.ichol"])["print"] = lambda *_words: None
    return pymatting
