"""Options of ``mattecli bench``."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mattecli.settings.checked import Checked
from mattecli.settings.common import DeviceOptions
from mattecli.settings.matte import size_option
from mattecli.settings.option import option

__all__ = ["BenchOptions", "BenchTask"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchTask(Checked):
    """Measurement."""

    model: str = option(
        "modnet",
        "--model",
        "-m",
        help="Which network ('mattecli models list')",
        metavar="NAME[:VARIANT]",
    )
    weights: Path | None = option(
        None,
        "--weights",
        help="Weights to use; without any here, random ones, which take the same time",
        metavar="FILE",
    )
    size: int | None = size_option()
    photos: int = option(16, "--photos", help="Photos that go through the whole at the end")
    megapixels: float = option(12.0, "--megapixels", help="Their size")
    repeats: int = option(5, "--repeats", help="Measurements of each stage; the median counts")
    workers: int = option(0, "--workers", help="Threads that decode and finish; 0 is one a core")
    json: bool = option(False, "--json", help="One JSON object on standard output, no table")


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchOptions(Checked):
    """Options of ``mattecli bench``."""

    task: BenchTask = field(default_factory=BenchTask)
    device: DeviceOptions = field(default_factory=DeviceOptions)
