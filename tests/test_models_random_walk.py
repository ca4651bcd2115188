"""Random walks: against a dense solution of the same equations, made pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mattecli.errors import ResourceError
from mattecli.models.classical import solve
from mattecli.models.pymatting_import import import_pymatting
from mattecli.models.random_walk import solve_random_walk
from tests.conftest import photo


def dense(image: np.ndarray, trimap: np.ndarray) -> np.ndarray:
    """Each unknown pixel is the mean of its 3x3 neighbours, weighted by likeness of colour.

    A neighbour beyond the border is the nearest pixel inside, and a hundred-millionth of each
    walk ends in the background.
    """
    height, width = trimap.shape
    alpha = trimap.astype(np.float64).copy()
    unknown = [tuple(place) for place in np.argwhere((trimap > 0) & (trimap < 1))]
    number = {place: index for index, place in enumerate(unknown)}
    matrix, right = np.zeros((len(unknown), len(unknown))), np.zeros(len(unknown))
    for (y, x), row in number.items():
        weights: dict[tuple[int, int], float] = {}
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                other = (min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1))
                like = np.exp(-900 * np.sum((image[y, x] - image[other]) ** 2))
                weights[other] = weights.get(other, 0.0) + like
        total = sum(weights.values())
        matrix[row, row] += 1 + 1e-8
        for other, weight in weights.items():
            if other in number:
                matrix[row, number[other]] -= weight / total
            else:
                right[row] += weight / total * alpha[other]
    for place, value in zip(unknown, np.linalg.solve(matrix, right), strict=True):
        alpha[place] = np.clip(value, 0, 1)
    return alpha


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(3, 9),
    width=st.integers(3, 9),
    contrast=st.sampled_from([0.05, 0.3, 1.0]),
)
def test_it_is_the_dense_solution(seed: int, height: int, width: int, contrast: float) -> None:
    rng = np.random.default_rng(seed)
    image = 0.5 + contrast * (rng.random((height, width, 3)) - 0.5)
    trimap = rng.choice([0.0, 0.5, 0.5, 1.0], (height, width))
    trimap[0, 0] = 0
    found = solve_random_walk(image, trimap)
    assert np.abs(found - dense(image, trimap)).max() < 1e-6  # weights down to a hundred-millionth


def test_it_is_pymattings_where_that_has_converged() -> None:
    image = photo(40, 30).astype(np.float64) / 255 * 0.2 + 0.4  # alike: well-conditioned
    trimap = np.full((30, 40), 0.5)
    trimap[:, :10], trimap[:, 30:] = 0, 1
    theirs = import_pymatting().estimate_alpha_rw(image, trimap)
    difference = np.abs(solve_random_walk(image, trimap) - theirs)[:, 12:28]
    assert difference.max() < 0.02  # they hold known pixels by a spring, not by a nail


def test_unknown_pixels_that_nothing_known_reaches_are_told_about() -> None:
    color = np.zeros((8, 8, 3), np.uint8)
    trimap = np.full((8, 8), 128, np.uint8)
    assert (solve("rw", color, trimap) == 0).all()  # all walks end where they are lost


def test_too_little_memory_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_given: object, **_options: object) -> None:
        raise RuntimeError("SUPERLU_MALLOC fails for buf in intCalloc() at line 173")

    monkeypatch.setattr("scipy.sparse.linalg.splu", refuse)
    trimap = np.full((8, 8), 128, np.uint8)
    trimap[0], trimap[-1] = 0, 255
    with pytest.raises(MemoryError):
        solve("rw", np.zeros((8, 8, 3), np.uint8), trimap)


def test_equations_without_a_solution_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy.sparse

    class Zeros:
        @staticmethod
        def rw_laplacian(image: np.ndarray) -> scipy.sparse.csr_matrix:
            return scipy.sparse.csr_matrix((image[..., 0].size,) * 2)

    monkeypatch.setattr("mattecli.models.random_walk.import_pymatting", Zeros)
    trimap = np.full((8, 8), 128, np.uint8)
    trimap[0], trimap[-1] = 0, 255
    with pytest.raises(ResourceError, match="the solver failed"):
        solve("rw", np.zeros((8, 8, 3), np.uint8), trimap)
