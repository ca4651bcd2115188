"""Pieces of pictures, and what else the source holds, joined to one file without decoding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av

from mattecli.media.video.containers import Container
from mattecli.media.video.decode import Clip
from mattecli.media.video.process import FORMATS, Ffmpeg
from mattecli.media.video.records import ClipInfo
from mattecli.media.video.stream import StreamClip

__all__ = ["JoinPlan", "join", "sound_notes"]

_LIST = "pieces.ffconcat"
_DATA = ("data", "attachment")


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPlan:
    """What becomes of a clip's pieces.

    Attributes:
        info: of the source.
        container: of the result.
        source: where sound, subtitles, chapters and metadata come from; None: there are none.
        start, end: seconds of the source's clock that the pieces cover, where that is not all.
        origin: seconds of the source's clock that are taken off.
        turn: degrees clockwise that players have to turn the pieces' pictures by.
        is_grey: the pieces hold mattes.
        patience: seconds.
    """

    info: ClipInfo
    container: Container
    source: Clip | StreamClip | None
    start: Fraction | None = None
    end: Fraction | None = None
    origin: Fraction = Fraction(0)
    turn: int = 0
    is_grey: bool = False
    patience: float = 60.0


def join(folder: Path, pieces: Sequence[str], target: str, plan: JoinPlan) -> None:
    """Write ``target`` in ``folder`` out of its ``pieces``, which follow each other in time.

    Raises:
        VideoWriteError: it could not be written.
    """
    begin = _list_pieces(folder, pieces)
    source = None if plan.source is None else plan.source.reopened()
    if plan.container.is_animation:
        _animate(folder, target, plan)
        return
    arguments = [
        "-copyts",
        *(["-display_rotation:v:0", str(-plan.turn)] if plan.turn else []),
        *("-itsoffset", _seconds(begin + plan.origin), "-safe", "0", "-f", "concat", "-i", _LIST),
        *_source(plan, source),
        *("-map", "0:v", "-c:v", "copy"),
        *_streams(plan, has_source=source is not None),
        *("-avoid_negative_ts", "disabled", "-max_interleave_delta", "0", "-fflags", "+bitexact"),
        *("-output_ts_offset", _seconds(-plan.origin)),
        *_muxer(plan),
        target,
    ]
    _run("joiner", arguments, folder, plan, [] if source is None else [source])


def _run(
    role: str, arguments: Sequence[str], folder: Path, plan: JoinPlan, files: Sequence[int] = ()
) -> None:
    # Copying gigabytes shows no sign of life in between: patience is for each gigabyte.
    patience = plan.patience + 60 * sum(p.stat().st_size for p in folder.iterdir()) / 1e9
    process = Ffmpeg(role, arguments, files=files, folder=folder, patience=patience)
    try:
        code = process.wait()
    finally:
        process.kill()
    if code != 0 or process.has_stalled:
        raise process.write_error(code)


def _list_pieces(folder: Path, pieces: Sequence[str]) -> Fraction:
    """Write the list that ffmpeg joins by; seconds at which the first piece begins.

    Each piece keeps its own clock: a piece's length in the list is the way from its beginning to
    the next one's, so that all are shifted alike.
    """
    starts = [_start(folder / piece) for piece in pieces]
    lines = ["ffconcat version 1.0"]
    for number, piece in enumerate(pieces):
        lines.append(f"file {piece}")
        if number + 1 < len(pieces):
            lines.append(f"duration {(starts[number + 1] - starts[number]) / 1e6:.6f}")
    (folder / _LIST).write_text("\n".join(lines) + "\n")
    return Fraction(starts[0], 1_000_000)


def _start(piece: Path) -> int:
    """Microseconds at which one of our own pieces begins."""
    with av.open(str(piece)) as container:
        return container.start_time or 0


def _source(plan: JoinPlan, source: int | None) -> list[str]:
    """The source as second input."""
    if source is None:
        return []
    cut = []
    if plan.start is not None:
        cut += ["-ss", _seconds(plan.start)]
    if plan.end is not None:
        cut += ["-to", _seconds(plan.end)]
    seek = ["-seek_timestamp", "1"] if cut else []
    whitelists = ["-protocol_whitelist", "fd,pipe", "-format_whitelist", FORMATS]
    return [*seek, *cut, *whitelists, "-fd", str(source), "-i", "fd:"]


def _streams(plan: JoinPlan, *, has_source: bool) -> list[str]:
    """Sound, subtitles, chapters and metadata."""
    if not has_source:
        return ["-map_metadata", "-1"]
    arguments = ["-map_metadata", "1", "-map_chapters", "1"]
    # The track's own tags stay those of the pieces: one of them says that there is alpha.
    arguments += ["-map_metadata:s:v:0", "0:s:v:0"]
    if plan.info.timecode:
        arguments += ["-metadata:s:v:0", f"timecode={plan.info.timecode}"]
    sounds = [stream for stream in plan.info.others if stream.kind == "audio"]
    for number, stream in enumerate(sounds if plan.container.audio_codec else []):
        copied = stream.codec in plan.container.audio
        codec = ("copy",) if copied else plan.container.audio_codec
        arguments += ["-map", f"1:{stream.index}", f"-c:a:{number}", *codec]
    number = 0
    for stream in plan.info.others:
        if stream.kind != "subtitle":
            continue
        codec_name = _subtitle_codec(stream.codec, plan.container)
        if codec_name:
            arguments += ["-map", f"1:{stream.index}", f"-c:s:{number}", codec_name]
            number += 1
    return arguments


def _subtitle_codec(codec: str, container: Container) -> str:
    if codec in container.subtitles:
        return "copy"
    return container.subtitle_codec if codec in container.converted_subtitles else ""


def sound_notes(info: ClipInfo, container: Container) -> list[str]:
    """What of the source's other streams is converted or left out, for people."""
    notes = []
    for stream in info.others:
        if stream.kind == "audio" and not container.audio_codec:
            notes.append(f"a .{container.name} holds no sound; it is left out")
        elif stream.kind == "audio" and stream.codec not in container.audio:
            converted = container.audio_codec[0].removeprefix("lib")
            notes.append(
                f"sound ({stream.codec}) converted to {converted}, as .{container.name} demands"
            )
        elif stream.kind == "subtitle" and not _subtitle_codec(stream.codec, container):
            notes.append(f"subtitles ({stream.codec}) left out: .{container.name} holds none")
    return list(dict.fromkeys(notes))


def _muxer(plan: JoinPlan) -> list[str]:
    arguments = []
    if plan.container.ticks:
        arguments += ["-video_track_timescale", str(plan.info.time_base.denominator)]
        arguments += ["-movflags", "+use_metadata_tags+write_colr"]
    return [*arguments, "-f", plan.container.muxer]


def _animate(folder: Path, target: str, plan: JoinPlan) -> None:
    """A GIF or WebP out of lossless pieces: the palette first, in a pass of its own."""
    pieces = ["-safe", "0", "-f", "concat", "-i", _LIST]
    if plan.container.name == "webp":
        lossless = ["-c:v", "libwebp_anim", "-lossless", "1", "-loop", "0"]
        filters = ["-vf", "format=bgra", "-fps_mode", "passthrough", "-enc_time_base", "1/1000"]
        _run("encoder", [*pieces, *filters, *lossless, "-f", "webp", target], folder, plan)
        return
    palette = "palette.png"
    see = "format=bgra,palettegen=reserve_transparent=1:stats_mode=full"
    _run("encoder", [*pieces, "-vf", see, "-frames:v", "1", palette], folder, plan)
    use = "[0:v]format=bgra[v];[v][1:v]paletteuse=dither=sierra2_4a:alpha_threshold=128"
    both = [*pieces, "-i", palette, "-filter_complex", use, "-fps_mode", "passthrough"]
    both += ["-enc_time_base", "1/100"]
    _run("encoder", [*both, "-loop", "0", "-f", "gif", target], folder, plan)


def _seconds(value: Fraction) -> str:
    return f"{float(value):.6f}"
