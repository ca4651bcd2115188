"""How a clip's pieces become one file, and a run of ffmpeg over them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from mattecli.media.video.clip import Clip
from mattecli.media.video.containers import Container
from mattecli.media.video.process import Ffmpeg
from mattecli.media.video.records import ClipInfo
from mattecli.media.video.stream import StreamClip

__all__ = ["PIECES", "JoinPlan", "run_in", "seconds_text"]

PIECES = "pieces.ffconcat"
"""The list of pieces, in their folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPlan:
    """How a clip's pieces become one file.

    Attributes:
        info: of the source.
        container: of the result.
        source: where sound, subtitles, chapters and metadata come from; None: there are none.
        start, end: seconds of the source's clock that the pieces cover, where that is not all.
        origin: seconds of the source's clock that are taken off.
        turn: degrees clockwise that players have to turn the pieces' pictures by.
        has_alpha: the pieces have it.
        patience: seconds.
    """

    info: ClipInfo
    container: Container
    source: Clip | StreamClip | None
    start: Fraction | None = None
    end: Fraction | None = None
    origin: Fraction = Fraction(0)
    turn: int = 0
    has_alpha: bool = False
    patience: float = 60.0


def run_in(
    folder: Path, role: str, arguments: Sequence[str], plan: JoinPlan, files: Sequence[int] = ()
) -> None:
    """Run ffmpeg over the pieces in ``folder``.

    Raises:
        VideoWriteError: it failed.
    """
    # Copying shows no sign of life until it is done, so that patience grows with the size.
    patience = plan.patience + 60 * sum(p.stat().st_size for p in folder.iterdir()) / 1e9
    process = Ffmpeg(role, arguments, files=files, folder=folder, patience=patience)
    try:
        code = process.wait()
    finally:
        process.kill()
    if code != 0 or process.has_stalled:
        raise process.write_error(code)


def seconds_text(value: Fraction) -> str:
    """As ffmpeg reads it."""
    return f"{float(value):.6f}"
