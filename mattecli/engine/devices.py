"""Where and in which arithmetic a network runs."""

from __future__ import annotations

import torch

from mattecli.errors import UsageError
from mattecli.settings.common import DeviceOptions, Precision

__all__ = ["cpu_bf16_unit", "describe_device", "find_devices", "find_precision", "use_threads"]


def find_devices(options: DeviceOptions) -> list[torch.device]:
    """The devices that were asked for, one network each.

    Raises:
        UsageError: a device that was asked for is not there, or both options are given.
    """
    if options.devices is None:
        return [_find_device(options.device)]
    if options.device != "auto":
        raise UsageError("--device and --devices exclude each other", remedy="give one of them")
    names = [name.strip() for name in options.devices.split(",") if name.strip()]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"--devices {options.devices!r} is no list of devices", remedy="try 0,1")
    return [_find_device(f"cuda:{name}" if name.isdigit() else name) for name in names]


def _find_device(name: str) -> torch.device:
    if name == "auto":
        return torch.device(_best_device())
    try:
        device = torch.device(name)
    except RuntimeError:
        raise UsageError(
            f"there is no device {name!r}", remedy="choose auto, cpu, cuda, cuda:N or mps"
        ) from None
    _require(device, name)
    return device


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _require(device: torch.device, name: str) -> None:
    """An explicit device that is missing is an error, never a silent CPU."""
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= count:
            reason = f"{count} are here" if count else _why_no_cuda()
            raise UsageError(f"device {name} is missing ({reason})", remedy="use --device auto")
    elif device.type == "mps":
        if not torch.backends.mps.is_available():
            raise UsageError("device mps is missing", remedy="use --device auto")
    elif device.type != "cpu":
        raise UsageError(
            f"device {name} is not supported", remedy="choose auto, cpu, cuda, cuda:N or mps"
        )


def _why_no_cuda() -> str:
    if torch.version.cuda is None:
        return "this PyTorch is built without CUDA"
    return "no NVIDIA GPU or driver found"


def find_precision(
    wanted: Precision, device: torch.device, *, half_is_sound: bool = False
) -> torch.dtype:
    """The arithmetic of the network's layers on ``device``.

    Args:
        wanted: ``auto`` is the fastest that the device has units for and the network tolerates.
        device: where the network runs.
        half_is_sound: with trained weights, its alpha in 16 bits was found close to float32.

    Raises:
        UsageError: the device cannot compute in it.
    """
    if wanted == "auto" and half_is_sound:
        return _fastest(device)
    if wanted == "fp16" and device.type == "cpu":
        raise UsageError("--precision fp16 needs a GPU", remedy="use bf16 or fp32")
    if wanted == "bf16" and device.type == "cuda" and not torch.cuda.is_bf16_supported():
        raise UsageError("this GPU has no bf16", remedy="use fp16 or fp32")
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
    return kinds.get(wanted, torch.float32)


def _fastest(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.float16  # as fast as bfloat16, and three bits finer
    return torch.bfloat16 if device.type == "cpu" and cpu_bf16_unit() else torch.float32


def cpu_bf16_unit() -> str:
    """The processor's unit for bfloat16; "" if it has none, and float32 is faster.

    PyTorch has no public function for this.
    """
    probes = (("_is_amx_tile_supported", "AMX"), ("_is_avx512_bf16_supported", "AVX-512"))
    return next((unit for name, unit in probes if getattr(torch.cpu, name, bool)()), "")


def use_threads(count: int) -> None:
    """Set how many threads an operator may use that the calling thread runs."""
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def describe_device(device: torch.device) -> str:
    """The device for people: its name, and for a GPU what it is."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    if device.type == "cpu":
        return f"cpu ({torch.get_num_threads()} threads)"
    return str(device)
