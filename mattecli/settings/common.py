"""Options that several commands share.

An option that stands in several records is made by a function, since each record needs a field
object of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from mattecli.settings.checked import Checked
from mattecli.settings.option import option

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "DEFAULT_TEMPLATE",
    "DeviceOptions",
    "EngineOptions",
    "Existing",
    "InputOptions",
    "OutputOptions",
    "Precision",
    "RunOptions",
    "debug_option",
    "journal_option",
    "max_pixels_option",
    "name_option",
    "quality_option",
    "quiet_option",
    "recursive_option",
    "retry_option",
]

Existing: TypeAlias = Literal["overwrite", "skip", "error"]
Precision: TypeAlias = Literal["auto", "fp32", "bf16", "fp16"]

DEFAULT_MAX_PIXELS = 512_000_000
"""Width times height beyond which an image is refused before memory is taken."""

DEFAULT_TEMPLATE = "{dir}/{stem}-{kind}{ext}"
"""How outputs are named."""


def recursive_option() -> Any:
    """``--recursive``."""
    return option(False, "--recursive", "-r", help="Read folders recursively")


def max_pixels_option() -> Any:
    """``--max-pixels``."""
    return option(
        DEFAULT_MAX_PIXELS, "--max-pixels", help="Refuse images that claim more pixels than this"
    )


def name_option(outputs: str) -> Any:
    """``--name``.

    Args:
        outputs: which outputs it names, for ``--help``.
    """
    return option(
        DEFAULT_TEMPLATE,
        "--name",
        help=f"How {outputs} are named: {{dir}} {{stem}} {{kind}} {{ext}} {{name}} {{index}}",
    )


def quality_option() -> Any:
    """``--quality``."""
    return option(
        None,
        "--quality",
        help="Quality of JPEG (default 95) and of WebP, which is lossless without: 1 to 100",
        metavar="N",
    )


def journal_option() -> Any:
    """``--journal``."""
    return option(
        None,
        "--journal",
        help="Remember in FILE what was done with which settings, so that skip knows what is stale;"
        " none keeps none. Default: a hidden file in the outputs' folder",
        metavar="FILE|none",
    )


def retry_option() -> Any:
    """``--retry-failed``."""
    return option(
        False, "--retry-failed", help="Do only what failed when it was last tried, by the journal"
    )


def quiet_option() -> Any:
    """``--quiet``."""
    return option(False, "--quiet", "-q", help="Only errors")


def debug_option() -> Any:
    """``--debug``."""
    return option(False, "--debug", help="Show tracebacks")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputOptions(Checked):
    """Inputs."""

    inputs: tuple[str, ...] = option(
        (), help="Files, folders or quoted globs; - is standard input", metavar="INPUT..."
    )
    recursive: bool = recursive_option()
    files_from: str | None = option(
        None,
        "--files-from",
        help="Read more inputs from FILE, one a line; - is standard input",
        metavar="FILE",
    )
    null: bool = option(False, "--null", "-0", help="Names in --files-from end in NUL")
    shard: str | None = option(
        None,
        "--shard",
        help="Do the i-th of n parts of the inputs (job arrays), i from 0",
        metavar="I/N",
    )
    max_pixels: int = max_pixels_option()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions(Checked):
    """Outputs."""

    output: str | None = option(
        None,
        "--output",
        "-o",
        help="Folder for many inputs, file for one, - for standard output",
        metavar="PATH",
    )
    name: str = name_option("outputs")
    format: str | None = option(
        None,
        "--format",
        help="File format of the outputs; all but jpg are lossless. Default: what the output's name"
        " says, else png",
        metavar="png|tiff|webp|jpg|bmp|exr",
    )
    existing: Existing = option(
        "overwrite",
        "--existing",
        help="What to do where outputs exist: overwrite, skip (resume) or error",
    )
    journal: str | None = journal_option()
    retry_failed: bool = retry_option()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions(Checked):
    """Run."""

    workers: int = option(
        0, "--workers", help="Threads that decode, and as many that finish; 0 is one a core"
    )
    timeout: float | None = option(
        None,
        "--timeout",
        help="Give up an input that takes longer, and go on with the next",
        metavar="SECONDS",
    )
    min_free: str = option(
        "0",
        "--min-free",
        help="Fail outputs that would leave less than this of their disk free, such as 5GB",
        metavar="SIZE",
    )
    fail_fast: bool = option(False, "--fail-fast", help="Stop at the first input that fails")
    dry_run: bool = option(
        False, "--dry-run", help="List what would be read and written, and do nothing"
    )
    json: bool = option(
        False, "--json", help="One JSON object per input on standard output, then a summary"
    )
    report: tuple[Path, ...] = option(
        (),
        "--report",
        help="Write a report: FILE.jsonl or FILE.html (may be repeated)",
        metavar="FILE",
    )
    quiet: bool = quiet_option()
    verbose: bool = option(
        False, "--verbose", "-v", help="Say device, precision, batch and seconds by stage"
    )
    debug: bool = debug_option()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineOptions(Checked):
    """Engine."""

    engine: Literal["local", "ray"] = option(
        "local", "--engine", help="Where the work is done: this process, or a Ray cluster"
    )
    ray_address: str | None = option(
        None,
        "--ray-address",
        help="The cluster for --engine ray: auto finds the one that this machine belongs to."
        " Default: a cluster of this machine alone, for this run",
        metavar="auto|HOST:PORT",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceOptions(Checked):
    """Device."""

    device: str = option(
        "auto", "--device", help="auto, cpu, cuda, cuda:1 or mps; one that is missing is an error"
    )
    devices: str | None = option(
        None, "--devices", help="Several GPUs by number, such as 0,1", metavar="LIST"
    )
    precision: Precision = option("auto", "--precision", help="Arithmetic of the network")
    batch_size: str = option(
        "auto",
        "--batch-size",
        help="Images of equal size that go through the network at once",
        metavar="auto|N",
    )
    tile: str = option(
        "auto",
        "--tile",
        help="Side of the tiles in which trimap models work on large photos, in pixels; auto: what"
        " costs least in the memory that is free; off: none",
        metavar="auto|N|off",
    )
    overlap: int | None = option(
        None,
        "--overlap",
        help="Pixels at each side of a tile that its neighbours compute too (default: as far as the"
        " network sees)",
    )
    max_memory: str | None = option(
        None,
        "--max-memory",
        help="Memory that the command may take, such as 1GB or 800M (default: what is free)",
        metavar="SIZE",
    )
