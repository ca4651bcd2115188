"""What a device can do at best, measured; a network's speed is compared with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from mattecli.models.base import MattingModel, ModelInput

__all__ = ["Ceilings", "count_flops", "measure_ceilings", "seconds_of"]

_CHANNELS, _SIDE = 64, 256  # a convolution on which every device comes close to its best
_COPIED = 64 << 20  # bytes: more than caches hold


@dataclass(frozen=True, slots=True)
class Ceilings:
    """Measured rates of one device, on as many threads as PyTorch uses here.

    Attributes:
        flops: floating-point operations a second (multiplications and additions count each).
        bytes: bytes read plus written a second by a copy too large for caches.
    """

    flops: float
    bytes: float


def measure_ceilings(device: torch.device, dtype: torch.dtype, repeats: int = 15) -> Ceilings:
    """Measure a device with a 3x3 convolution of 64 channels, and with a copy."""
    with torch.inference_mode():
        conv = nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1).to(device, dtype)
        maps = torch.randn(1, _CHANNELS, _SIDE, _SIDE, device=device).to(
            dtype, memory_format=torch.channels_last
        )
        work = 2 * 9 * _CHANNELS**2 * _SIDE**2
        source = torch.zeros(_COPIED, dtype=torch.uint8, device=device)
        target = torch.empty_like(source)
        return Ceilings(
            flops=work / seconds_of(lambda: conv(maps), device, repeats),
            bytes=2 * _COPIED / seconds_of(lambda: target.copy_(source), device, repeats),
        )


def seconds_of(work: Callable[[], object], device: torch.device, repeats: int) -> float:
    """Median time of one call, after two that are not counted.

    On a CPU it is this process's CPU time, so that other programs do not count; call it with
    PyTorch set to one thread. On other devices it is the time until the device is done.
    """
    clock = time.process_time if device.type == "cpu" else time.perf_counter

    def once() -> float:
        begin = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return clock() - begin

    for _ in range(2):
        once()
    return max(median(once() for _ in range(repeats)), 1e-9)


def count_flops(network: MattingModel, inputs: ModelInput) -> int:
    """Floating-point operations of one estimate, as the authors' layers need them."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        network.estimate(inputs)
    return int(counter.get_total_flops())
