"""Foreground colours in torch: those of the CPU's methods, wherever they are computed."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from mattecli.engine import device_colours
from mattecli.engine.device_colours import DeviceColours
from mattecli.ops.foreground import ForegroundMethod, decontaminated
from tests.conftest import photo

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.cuda,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU is here"),
        ],
    ),
]
METHODS: tuple[ForegroundMethod, ...] = ("multilevel", "blur-fusion")
Array = npt.NDArray[Any]


def scene(width: int, height: int, kind: type[Any]) -> tuple[Array, Array]:
    """A soft-edged shape over another picture."""
    alpha = cv2.GaussianBlur(photo(width, height, seed=8)[..., 0], (0, 0), 3) / 255
    alpha = np.clip(alpha * 3 - 1, 0, 1).astype(np.float32)
    front, behind = photo(width, height, seed=1), photo(width, height, seed=2)
    mixed = (alpha[..., None] * front + (1 - alpha[..., None]) * behind) / 255
    if kind is np.float32:
        return mixed.astype(np.float32), alpha
    return np.rint(mixed * np.iinfo(kind).max).astype(kind), alpha


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_colours_are_those_of_the_cpu(
    device: str, method: ForegroundMethod, kind: type[Any]
) -> None:
    color, alpha = scene(301, 203, kind)
    found = DeviceColours(torch.device(device)).decontaminated(color, alpha, method)
    expected = decontaminated(color, alpha, method)
    white = 1 if kind is np.float32 else np.iinfo(kind).max
    assert found.dtype == color.dtype
    assert np.array_equal(found[alpha == 1], color[alpha == 1])
    difference = np.abs(found.astype(np.float64) - expected) / white
    assert difference.mean() < 1e-3
    assert np.quantile(difference, 0.999) < 0.02


@pytest.mark.parametrize("method", METHODS)
def test_strips_and_sparse_samples_leave_no_trace(
    method: ForegroundMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    color, alpha = scene(1200, 1000, np.uint8)  # large enough to be solved at every second pixel
    colours = DeviceColours(torch.device("cpu"))
    whole = colours.decontaminated(color, alpha, method)
    monkeypatch.setattr(device_colours, "_STRIP_PIXELS", 90_000)
    strips = colours.decontaminated(color, alpha, method)
    assert np.abs(whole.astype(int) - strips).max() <= 1
    difference = np.abs(whole.astype(int) - decontaminated(color, alpha, method))
    assert difference.mean() < 0.2
    assert np.quantile(difference, 0.999) <= 4


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 2), (5, 7)])
@pytest.mark.parametrize("method", METHODS)
def test_small_shapes(shape: tuple[int, int], method: ForegroundMethod) -> None:
    color = np.full((*shape, 3), 77, np.uint8)
    alpha = np.full(shape, 128, np.uint8)
    found = DeviceColours(torch.device("cpu")).decontaminated(color, alpha, method)
    assert np.abs(found.astype(int) - 77).max() <= 1
