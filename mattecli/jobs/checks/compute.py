"""Processors, GPUs, and the arithmetic that they are fast at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import torch

from mattecli.engine.cores import available_cores
from mattecli.engine.devices import cpu_bf16_unit
from mattecli.jobs.checks.finding import Finding

__all__ = ["compute_findings"]

_NVIDIA_DRIVER = Path("/proc/driver/nvidia/version")


def compute_findings() -> Iterator[Finding]:
    """The CPU, each GPU, and a GPU that PyTorch does not use although it is there."""
    yield _processor()
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            yield _gpu(index)
    elif torch.backends.mps.is_available():
        yield Finding(subject="GPU", detail="Apple GPU, used as mps")
    else:
        yield _no_gpu()


def _processor() -> Finding:
    cores = available_cores()
    capability = torch.backends.cpu.get_cpu_capability()
    threads = torch.get_num_threads()
    unit = cpu_bf16_unit()
    bf16 = f"by {unit}" if unit else "emulated"
    detail = f"{cores} cores, {capability}, bf16 {bf16}, {threads} threads for networks"
    if threads < cores:
        return Finding(
            subject="CPU",
            detail=detail,
            verdict="note",
            remedy="set OMP_NUM_THREADS to the number of cores, or leave it unset",
        )
    return Finding(subject="CPU", detail=detail)


def _gpu(index: int) -> Finding:
    facts = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    bf16 = "with bf16" if torch.cuda.is_bf16_supported() else "without bf16"
    return Finding(
        subject=f"cuda:{index}",
        detail=f"{facts.name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free, {bf16},"
        f" compute capability {facts.major}.{facts.minor}",
    )


def _no_gpu() -> Finding:
    """Nothing is wrong with a machine without GPU; with one that lies idle, something is."""
    driver = _NVIDIA_DRIVER.exists() or shutil.which("nvidia-smi") is not None
    if not driver:
        return Finding(subject="GPU", detail="none; networks run on the CPU")
    if torch.version.cuda is None:
        return Finding(
            subject="GPU",
            detail=f"an NVIDIA driver is here, but PyTorch {torch.__version__} is built for the"
            " CPU alone",
            verdict="problem",
            remedy="install the CUDA build of PyTorch: see pytorch.org",
        )
    return Finding(
        subject="GPU",
        detail=f"an NVIDIA driver is here, but PyTorch (CUDA {torch.version.cuda}) finds no GPU",
        verdict="problem",
        remedy="compare the driver's CUDA version in nvidia-smi, and CUDA_VISIBLE_DEVICES",
    )
