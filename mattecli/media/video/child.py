"""Body of a child process that reads headers and packets of files nobody vouches for.

Run as ``python -P -m mattecli.media.video.child probe|index FD``; the open file is inherited. Only
this process opens the file with libav; its memory is limited, and it can be killed.

``probe`` prints one JSON object, ``index`` one line ``pts dts`` for each packet of the video
stream that is meant to be shown, and at last ``end N`` with the number of all its packets.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from contextlib import suppress
from fractions import Fraction
from typing import Any, BinaryIO

import av

from mattecli.media.video.animated_webp import Animation, described, read_animation

__all__ = ["main"]

_MEMORY = 3 << 30
_TS_DISCONT = 0x0200  # AVFMT_TS_DISCONT: the clock starts anywhere
_MATRIX_ONE = 1 << 16
_FRAMES_TRIED = 8
_PACKETS_TRIED = 1000
_BEFORE = 10_000_000  # microseconds: surely before all of it
_TURNS = {  # display matrices of pure turns: degrees clockwise that a player turns by
    (1, 0, 0, 1): 0,
    (0, 1, -1, 0): 90,
    (-1, 0, 0, -1): 180,
    (0, -1, 1, 0): 270,
}
_ORDERS = {2: "tt", 3: "bb", 4: "tb", 5: "bt"}


def main(arguments: list[str]) -> int:
    """Do what the arguments say; 1 with one line on standard error if that fails."""
    task, descriptor = arguments
    _limit_memory()
    av.logging.set_level(av.logging.PANIC)
    try:
        with os.fdopen(int(descriptor), "rb", closefd=False) as file:
            animation = read_animation(file)
            if animation is not None:
                _tell_animation(animation, task)
            else:
                _tell(file, task)
    except (av.error.FFmpegError, ValueError, MemoryError, OSError) as error:
        sys.stderr.write(f"{getattr(error, 'strerror', None) or error}\n")
        return 1
    return 0


def _tell(file: BinaryIO, task: str) -> None:
    """Open a file with libav, and print what is asked for."""
    with av.open(file) as container:
        if task == "probe":
            print(json.dumps(_described(container)))  # noqa: T201 - the parent reads it
        else:
            _list_packets(container, file.fileno())


def _tell_animation(animation: Animation, task: str) -> None:
    if task == "probe":
        print(json.dumps(described(animation)))  # noqa: T201 - the parent reads it
        return
    lines = [f"{time} {time}\n" for time in animation.times]
    sys.stdout.writelines([*lines, f"end {len(lines)}\n"])


def _limit_memory() -> None:
    with suppress(ImportError, OSError, ValueError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def _video_stream(container: Any) -> Any:
    """The first video stream that is no cover picture."""
    streams = list(container.streams.video)
    shown = [s for s in streams if not s.disposition & av.stream.Disposition.attached_pic]
    return shown[0] if shown else None


def _described(container: Any) -> dict[str, Any]:
    stream = _video_stream(container)
    others = [
        {
            "index": s.index,
            "kind": s.type,
            "codec": _codec(s),
            "language": _tag("language", s.metadata),
        }
        for s in container.streams
        if stream is None or s.index != stream.index
    ]
    found: dict[str, Any] = {
        "format": container.format.name,
        "others": others,
        "chapters": [_chapter(chapter) for chapter in container.chapters()],
        "video": None,
    }
    if stream is None or stream.codec_context is None:
        return found
    is_free = bool(container.format.flags & _TS_DISCONT)
    start = container.start_time
    found["origin"] = str(Fraction(start, 1_000_000)) if is_free and start is not None else "0"
    found["video"] = _described_stream(stream)
    found["video"]["timecode"] = _tag("timecode", stream.metadata, container.metadata)
    length = stream.duration and float(stream.duration * stream.time_base)
    if not length and container.duration:
        length = container.duration / 1e6
    found["video"]["seconds"] = length or None
    with suppress(av.error.FFmpegError):
        found["video"] |= _described_frame(container, stream)
    with suppress(av.error.FFmpegError):
        early = _early(container)
        for one in others:
            one["early"] = str(early.get(one["index"], 0))
    return found


def _early(container: Any) -> dict[int, Fraction]:
    """By stream: seconds of sound before its beginning that a decoder leaves out."""
    sound = [stream for stream in container.streams.audio if stream.start_time is not None]
    if not sound:
        return {}
    container.seek((container.start_time or 0) - _BEFORE)
    found: dict[int, Fraction] = {}
    for tried, packet in enumerate(container.demux(sound)):
        stream = packet.stream
        if packet.pts is not None and stream.index not in found:
            ahead = (stream.start_time - packet.pts) * stream.time_base
            found[stream.index] = max(Fraction(0), ahead)
        if len(found) == len(sound) or tried >= _PACKETS_TRIED:
            break
    return found


def _chapter(chapter: Any) -> dict[str, Any]:
    """Times in seconds, as text that keeps them exact."""
    times = {name: str(chapter[name] * Fraction(chapter["time_base"])) for name in ("start", "end")}
    return {**times, "tags": dict(chapter["metadata"])}


def _tag(name: str, *places: dict[str, str]) -> str:
    """A tag, however it is spelt, of the first that has it."""
    found = [text for tags in places for key, text in tags.items() if key.lower() == name]
    return found[0] if found else ""


def _codec(stream: Any) -> str:
    context = stream.codec_context
    return context.name if context is not None else "unknown"


def _described_stream(stream: Any) -> dict[str, Any]:
    context = stream.codec_context
    pixels = context.format
    return {
        "index": stream.index,
        "codec": context.name,
        "width": context.width,
        "height": context.height,
        "aspect": _ratio(stream.sample_aspect_ratio or context.sample_aspect_ratio),
        "time_base": str(stream.time_base),
        "rate": str(stream.average_rate or stream.base_rate or stream.guessed_rate or 0),
        "frames": stream.frames or None,
        "fields": _ORDERS.get(int(context.field_order or 0), "progressive"),
        "colour": _tags(context),
        "tags": {k: v for k in ("language", "title") if (v := _tag(k, stream.metadata))},
        **({} if pixels is None else _described_pixels(pixels)),
    }


def _ratio(value: Fraction | None) -> str:
    return str(value) if value else "1"


def _described_pixels(pixels: Any) -> dict[str, Any]:
    depth = max(part.bits for part in pixels.components) if pixels.components else 8
    names = {"pixels": pixels.name, "depth": depth}
    is_grey = pixels.name.startswith(("gray", "ya", "mono"))
    is_packed_rgb = pixels.is_rgb or pixels.has_palette
    return names | {
        "is_yuv": not is_grey and not is_packed_rgb,
        "is_grey": is_grey,
        "has_alpha": len(pixels.components) in (2, 4) or pixels.has_palette,
    }


def _tags(holder: Any) -> dict[str, int]:
    return {
        "matrix": int(holder.colorspace),
        "range": int(holder.color_range),
        "primaries": int(holder.color_primaries),
        "transfer": int(holder.color_trc),
    }


def _described_frame(container: Any, stream: Any) -> dict[str, Any]:
    """What only a decoded frame tells: rotation; and what some headers leave out."""
    stream.codec_context.thread_count = 1
    frame = None
    for tried, packet in enumerate(container.demux(stream)):
        with suppress(av.error.FFmpegError):
            frame = next(iter(packet.decode()), None)
        if frame is not None or tried >= _FRAMES_TRIED * 16:
            break
    if frame is None:
        return {}
    found = _described_pixels(frame.format) | {"width": frame.width, "height": frame.height}
    with suppress(ValueError):  # PyAV does not know all kinds, such as EXIF
        for side_data in frame.side_data:
            if side_data.type.name == "DISPLAYMATRIX":
                found |= _turn(bytes(side_data))
    if frame.interlaced_frame and stream.codec_context.field_order in (0, 1):
        found["fields"] = "tt"
    own = _tags(stream.codec_context)
    tags = _tags(frame)
    unset = {"matrix": 2, "range": 0, "primaries": 2, "transfer": 2}
    found["colour"] = {name: own[name] if own[name] != unset[name] else tags[name] for name in own}
    return found


def _turn(matrix: bytes) -> dict[str, Any]:
    a, b, _, c, d, *_ = struct.unpack("=9i", matrix)
    quarter = tuple(round(value / _MATRIX_ONE) for value in (a, b, c, d))
    exact = all(abs(value) in (0, _MATRIX_ONE) for value in (a, b, c, d))
    if exact and quarter in _TURNS:
        return {"rotation": _TURNS[quarter]}
    return {"is_flipped": True, "rotation": 90 if abs(b) > abs(a) else 0}


def _list_packets(container: Any, descriptor: int) -> None:
    stream = _video_stream(container)
    count = 0
    lines = []
    for packet in container.demux(stream):
        if packet.size == 0:
            continue
        count += 1
        if packet.pts is not None and not packet.is_discard:
            dts = packet.dts if packet.dts is not None else packet.pts
            lines.append(f"{packet.pts} {dts}\n")
        if len(lines) >= 64:
            sys.stdout.writelines(lines)
            sys.stdout.flush()
            lines.clear()
    if container.format.name == "avi" and _has_all_chunks(descriptor):
        count = max(count, stream.frames)  # the rest are empty: pictures that stay
    sys.stdout.writelines([*lines, f"end {count}\n"])


def _has_all_chunks(descriptor: int) -> bool:
    """Whether each of a RIFF file's outermost chunks is as long as it says."""
    size, offset = os.fstat(descriptor).st_size, 0
    while offset + 8 <= size:
        name, length = struct.unpack("<4sI", os.pread(descriptor, 8, offset))
        if name != b"RIFF":
            break
        offset += 8 + length
    return 0 < offset <= size


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
