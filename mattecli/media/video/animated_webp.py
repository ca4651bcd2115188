"""The headers of an animated WebP (RFC 9649, section 2.7), which PyAV's libav does not read.

ffmpeg decodes it; here it is only told what ffmpeg will find, as the child tells it of other files.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, BinaryIO

__all__ = ["Animation", "described", "read_animation"]

_IS_ANIMATED, _HAS_ALPHA = 0x02, 0x10
_SHORTEST, _USUAL = 10, 100  # milliseconds: as ffmpeg does, shorter frames are shown longer
_UNKNOWN = 2  # a colour tag


@dataclass(frozen=True, slots=True)
class Animation:
    """What the headers say.

    Attributes:
        width, height: of all frames.
        has_alpha: they may be transparent.
        times: when each frame that is there begins, milliseconds.
        end: when the last of them ends.
        is_short: the file ends before its header says.
    """

    width: int
    height: int
    has_alpha: bool
    times: tuple[int, ...]
    end: int
    is_short: bool


def read_animation(file: BinaryIO) -> Animation | None:
    """What an animated WebP's headers say; None for any other file, which is left at its beginning.

    Args:
        file: at its beginning; its pixels are not read.
    """
    start = file.read(30)
    file.seek(0)
    if start[:4] != b"RIFF" or start[8:16] != b"WEBPVP8X" or len(start) < 30:
        return None
    if not start[20] & _IS_ANIMATED:
        return None
    claimed = 8 + _number(start[4:8])
    size = min(os.fstat(file.fileno()).st_size, claimed)
    times: list[int] = []
    clock = 0
    for body in _frames(file, size):
        times.append(clock)
        length = _number(body[12:15])
        clock += length if length >= _SHORTEST else _USUAL
    return Animation(
        width=_number(start[24:27]) + 1,
        height=_number(start[27:30]) + 1,
        has_alpha=bool(start[20] & _HAS_ALPHA),
        times=tuple(times),
        end=clock,
        is_short=size < claimed,
    )


def _frames(file: BinaryIO, size: int) -> Iterator[bytes]:
    """The beginning of each frame's chunk that is there as a whole."""
    at = 12
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        length = _number(head[4:])
        at += 8 + length + length % 2
        if head[:4] == b"ANMF" and at <= size:
            yield file.read(16)


def _number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def described(animation: Animation) -> dict[str, Any]:
    """It as the child describes a video; no pixels where there is no frame."""
    count = len(animation.times)
    unknown = {"matrix": _UNKNOWN, "range": 0, "primaries": _UNKNOWN, "transfer": _UNKNOWN}
    video = {
        "index": 0,
        "codec": "webp_anim",
        "width": animation.width,
        "height": animation.height,
        "aspect": "1",
        "time_base": "1/1000",
        "rate": str(Fraction(1000 * count, animation.end or 1)),
        "frames": None if animation.is_short else count or None,
        "fields": "progressive",
        "colour": unknown,
        "tags": {},
        "timecode": "",
        "seconds": animation.end / 1000 or None,
        **({"pixels": "argb"} if count else {}),
        "depth": 8,
        "is_yuv": False,
        "is_grey": False,
        "has_alpha": animation.has_alpha,
    }
    return {
        "format": "webp_anim",
        "others": [],
        "chapters": [],
        "video": video,
        "is_short": animation.is_short,
    }
