"""``mattecli bench``."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from mattecli.cli.options import takes
from mattecli.settings.bench import BenchOptions

if TYPE_CHECKING:
    from mattecli.jobs.bench_results import Bench

__all__ = ["bench"]


@takes(BenchOptions)
def bench(options: BenchOptions) -> None:
    """Measure each stage apart and all together, against what the machine can do at best.

    Makes its own photos in a temporary folder. Example:
    mattecli bench --model modnet --precision fp32 --photos 32
    """
    from mattecli.engine.allocator import keep_freed_memory
    from mattecli.jobs.bench import bench as measure

    keep_freed_memory()
    found = measure(options)
    if options.task.json:
        sys.stdout.write(json.dumps(found.as_json()) + "\n")
    else:
        sys.stdout.write("\n".join(_lines(found)) + "\n")


def _lines(found: Bench) -> list[str]:
    """A table that a README takes as it is."""
    rates = found.ceilings
    lines = [
        (
            f"{found.model}, {found.precision}, {found.device}, {found.cores} cores;"
            f" photos of {found.size}, seen at {found.seen}"
        ),
        (
            f"ceilings (of one core, or the GPU): {rates.flops / 1e9:.0f} GFLOP/s,"
            f" {rates.bytes / 1e9:.1f} GB/s read plus written;"
            f" the network takes {found.gflop:.1f} GFLOP"
        ),
        "",
        "| stage, one photo | ms | floor, ms | times the floor | floor |",
        "|---|---|---|---|---|",
    ]
    for stage in found.stages:
        floor = "" if stage.floor is None else f"{stage.floor * 1e3:.1f}"
        ratio = "" if stage.floor is None else f"{stage.seconds / stage.floor:.2f}"
        lines.append(
            f"| {stage.name} | {stage.seconds * 1e3:.1f} | {floor} | {ratio} | {stage.reason} |"
        )
    lines += [
        "",
        "| all together | refined | photos | s a photo | core seconds a photo | cores busy |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {', '.join(whole.writes)} | {whole.refine} | {whole.photos}"
        f" | {whole.seconds / whole.photos:.3f} | {whole.core_seconds / whole.photos:.3f}"
        f" | {whole.busy:.0%} |"
        for whole in found.wholes
    ]
    return lines
