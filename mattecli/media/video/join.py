"""Pieces of pictures, and what else the source holds, joined to one file without decoding."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av

from mattecli.errors import VideoWriteError
from mattecli.media.video.animation import animate
from mattecli.media.video.join_plan import PIECES, JoinPlan, run_in, seconds_text
from mattecli.media.video.other_streams import source_input, stream_arguments, write_chapters

__all__ = ["join"]


def join(folder: Path, pieces: Sequence[str], target: str, plan: JoinPlan) -> None:
    """Write ``target`` in ``folder`` out of its ``pieces``, which follow each other in time.

    Raises:
        VideoWriteError: it could not be written.
    """
    begin = _list_pieces(folder, pieces, plan.container.segment[0])
    if plan.container.is_animation:
        animate(folder, target, plan)
        return
    source = None if plan.source is None else plan.source.reopened()
    chapters = [] if source is None else write_chapters(folder, plan)
    shift = seconds_text(begin + plan.origin)
    arguments = [
        "-copyts",
        *(["-display_rotation:v:0", str(-plan.turn)] if plan.turn else []),
        *("-itsoffset", shift, "-protocol_whitelist", "file", "-f", "concat", "-i", PIECES),
        *source_input(plan, source),
        *chapters,
        *("-map", "0:v", "-c:v", "copy"),
        *stream_arguments(plan, has_source=source is not None),
        *("-avoid_negative_ts", "disabled", "-max_interleave_delta", "0", "-fflags", "+bitexact"),
        *("-output_ts_offset", seconds_text(-plan.origin)),
        *_muxer(plan),
        target,
    ]
    run_in(folder, "joiner", arguments, plan, [] if source is None else [source])


def _list_pieces(folder: Path, pieces: Sequence[str], kind: str) -> Fraction:
    """Write the list that ffmpeg joins by; seconds at which the first piece begins.

    Pieces keep their timestamps: the length that is listed for a piece is the time from its
    beginning to the next one's, so that all are shifted alike.
    """
    starts = [_start(folder / piece, kind) for piece in pieces]
    lines = ["ffconcat version 1.0"]
    for number, piece in enumerate(pieces):
        lines.append(f"file {piece}")
        if number + 1 < len(pieces):
            lines.append(f"duration {(starts[number + 1] - starts[number]) / 1e6:.6f}")
    (folder / PIECES).write_text("\n".join(lines) + "\n")
    return Fraction(starts[0], 1_000_000)


def _start(piece: Path, kind: str) -> int:
    """Microseconds at which one of our own pieces begins.

    The open file is given instead of its name, which libraries may take for an address.
    """
    try:
        with piece.open("rb") as file, av.open(file, "r", format=kind) as container:
            return container.start_time or 0
    except (av.error.FFmpegError, OSError) as error:
        raise VideoWriteError(
            f"its piece {piece.name} cannot be read ({error.strerror})",
            remedy="run it again without --resume",
        ) from error


def _muxer(plan: JoinPlan) -> list[str]:
    arguments = []
    if plan.container.ticks:
        arguments += ["-video_track_timescale", str(plan.info.time_base.denominator)]
        arguments += ["-movflags", "+use_metadata_tags+write_colr"]
    return [*arguments, "-f", plan.container.muxer]
