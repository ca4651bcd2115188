"""The solvers without weights, in a process of their own: threads are the whole process's."""

from __future__ import annotations

import os
import subprocess
import sys

SOLVED = """
import torch
import numpy as np
from mattecli.models.pymatting_import import import_pymatting

color = np.random.default_rng(0).random((40, 40, 3))
trimap = np.full((40, 40), 0.5)
trimap[:, :15], trimap[:, 25:] = 0, 1
import_pymatting().estimate_alpha_cf(color, trimap)
print(torch.get_num_threads())
"""


def test_a_solver_leaves_the_number_of_threads_as_it_was_told() -> None:
    """Else the alpha of what follows depends on whether a solver ran before it."""
    told = {key: value for key, value in os.environ.items() if key != "NUMBA_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", SOLVED],
        env={**told, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.split() == [b"1"]
