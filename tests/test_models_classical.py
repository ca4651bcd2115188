"""The solvers without weights."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from conftest import Cli, load, photo, save

from mattecli.models.classical import solve

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
    """In a process of its own, whose threads they are.

    Else the alpha of what follows depends on whether a solver ran before it.
    """
    told = {key: value for key, value in os.environ.items() if key != "NUMBA_NUM_THREADS"}
    done = subprocess.run(
        [sys.executable, "-c", SOLVED],
        env={**told, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.split() == [b"1"]


@pytest.mark.parametrize("name", ["closed-form", "lkm", "lbdm", "rw", "knn"])
@pytest.mark.parametrize("level", [0, 255])
def test_a_gap_inside_one_region_is_of_that_region(name: str, level: int) -> None:
    """All certain pixels near it are of one kind; the other lies too far off to have a say."""
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    trimap = np.full((90, 120), level, np.uint8)
    trimap[:, 110:] = 255 - level
    trimap[30:50, 30:50] = 128
    alpha = solve(name, image, trimap)
    if name != "knn":  # whose neighbours may lie anywhere
        assert (alpha[trimap == 128] == level / 255).all()
    np.testing.assert_array_equal(alpha[trimap != 128], trimap[trimap != 128] / 255)
    if (name, level) == ("closed-form", 255):  # of zeros it makes no number
        import pymatting

        oracle = pymatting.estimate_alpha_cf(image / 255.0, trimap / 255.0)
        np.testing.assert_allclose(alpha, oracle, atol=1e-3)


def test_a_trimap_with_a_gap_alone_is_solved_by_the_command(cli: Cli, tmp_path: Path) -> None:
    trimap = np.zeros((120, 160), np.uint8)
    trimap[10:110, 10:130] = 255
    trimap[50:60, 50:60] = 128
    save(tmp_path / "p.png", photo(160, 120))
    save(tmp_path / "t.png", trimap)
    for tile in (("auto",), ("off",), ("40", "--overlap", "8")):
        told = ("--trimap", "t.png", "-w", "alpha", "-o", f"{tile[0]}.png", "--tile", *tile)
        done = cli("matte", "p.png", *told)
        assert done.code == 0, done.err
        expected = np.where(trimap > 0, 255, 0)
        np.testing.assert_array_equal(load(tmp_path / f"{tile[0]}.png"), expected)


@pytest.mark.parametrize("name", ["closed-form", "lkm", "lbdm"])
@pytest.mark.parametrize("half", [4, 15])
def test_the_part_that_is_solved_gives_what_the_whole_photo_gives(name: str, half: int) -> None:
    """Large kernels couple pixels far apart, also through known ones."""
    import pymatting

    oracles = {"closed-form": "cf", "lkm": "lkm", "lbdm": "lbdm"}
    image = photo(240, 180, seed=2)
    across, down = np.meshgrid(np.arange(240), np.arange(180))
    far = np.hypot(across - 110, down - 90)
    trimap = np.select([far < 30 - half, far <= 30 + half], [255, 128], 0).astype(np.uint8)
    given = np.where(trimap == 128, 0.5, trimap / 255)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        oracle = getattr(pymatting, f"estimate_alpha_{oracles[name]}")(image / 255.0, given)
    difference = np.abs(solve(name, image, trimap) - np.clip(oracle, 0, 1))[trimap == 128]
    assert difference.max() < 2e-3
    assert difference.mean() < 3e-4
