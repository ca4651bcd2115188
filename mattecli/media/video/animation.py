"""A GIF or WebP out of lossless pieces."""

from __future__ import annotations

from pathlib import Path

from mattecli.media.video.gif import restore_background
from mattecli.media.video.join_plan import PIECES, JoinPlan, run_in

__all__ = ["animate", "animation_notes"]

_GIF_RATE = 50  # viewers slow down what is faster than two hundredths of a second a frame


def animate(folder: Path, target: str, plan: JoinPlan) -> None:
    """Write ``target`` in ``folder`` from the listed pieces; for a GIF after its palette.

    Raises:
        VideoWriteError: it could not be written.
    """
    pieces = ["-protocol_whitelist", "file", "-f", "concat", "-i", PIECES]
    if plan.container.name == "webp":
        lossless = ["-c:v", "libwebp_anim", "-lossless", "1", "-loop", "0"]
        filters = ["-vf", "format=bgra", "-fps_mode", "passthrough", "-enc_time_base", "1/1000"]
        run_in(folder, "encoder", [*pieces, *filters, *lossless, "-f", "webp", target], plan)
        return
    palette = "palette.png"
    fewer = f"fps={_GIF_RATE}," if _is_too_fast(plan) else ""
    see = f"{fewer}format=bgra,palettegen=reserve_transparent=1:stats_mode=full"
    run_in(folder, "encoder", [*pieces, "-vf", see, "-frames:v", "1", palette], plan)
    use = f"[0:v]{fewer}format=bgra[v];[v][1:v]paletteuse=dither=sierra2_4a:alpha_threshold=128"
    both = [*pieces, "-i", palette, "-filter_complex", use, "-fps_mode", "passthrough"]
    both += ["-enc_time_base", "1/100"]
    whole = ["-gifflags", "-offsetting-transdiff"] if plan.has_alpha else []
    run_in(folder, "encoder", [*both, *whole, "-loop", "0", "-f", "gif", target], plan)
    if plan.has_alpha:
        restore_background(folder / target)


def _is_too_fast(plan: JoinPlan) -> bool:
    rate = plan.info.rate
    return plan.container.name == "gif" and rate is not None and rate > _GIF_RATE


def animation_notes(plan: JoinPlan) -> list[str]:
    """Which frames are left out or merged, for people."""
    if _is_too_fast(plan):
        return [f".gif shows {_GIF_RATE} frames a second at most; the others are left out"]
    if plan.container.name == "webp":
        return [".webp keeps frames in a row that are equal as one that lasts as long"]
    return []
