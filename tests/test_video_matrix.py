"""Kinds of sources against kinds of outputs: every frame, every time, every tag, every level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from tests.video_clips import MATRIX_NAMES, Read, ffmpeg, make_clip, read, rgb_of, run_video

LOSSLESS = ("-c:v", "libx264", "-qp", "0", "-preset", "ultrafast")
TAG_709 = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"


def tagged(matrix: str, span: str, primaries: str, transfer: str, pixels: str = "yuv420p") -> str:
    """Filters that convert the pictures and tag them."""
    zimg = {"bt709": "709", "smpte170m": "170m", "bt470bg": "470bg", "bt2020nc": "2020_ncl"}[matrix]
    limited = "full" if span == "pc" else "limited"
    return (
        f"format=gbrp,zscale=matrixin=gbr:rangein=full:matrix={zimg}:range={limited},"
        f"format={pixels},setparams=range={span}:colorspace={matrix}:color_primaries={primaries}"
        f":color_trc={transfer}"
    )


HD = tagged("bt709", "tv", "bt709", "bt709")
HD444 = tagged("bt709", "tv", "bt709", "bt709", "yuv444p")


@dataclass(frozen=True)
class Kind:
    """How a source is made.

    Attributes:
        make: writes it at the given path.
        colours: whether its RGB is compared: not where the formula would have to undo more than
            chroma, as for interlaced fields.
    """

    make: Callable[[Path], object]
    suffix: str = ".mp4"
    colours: bool = True


def clip(*encoding: str, **more: object) -> Callable[[Path], object]:
    return lambda path: make_clip(path, *(encoding or LOSSLESS), **more)  # type: ignore[arg-type]


def turned(degrees: int) -> Callable[[Path], object]:
    def make(path: Path) -> None:
        plain = make_clip(path.with_name("plain.mp4"), *LOSSLESS, filters=HD, frames=6)
        ffmpeg("-display_rotation", str(-degrees), "-i", plain, "-c", "copy", path)

    return make


def variable(path: Path) -> None:
    """Frames at uneven times: two of seven are missing, and the clock is fine."""
    keep = f"{HD},select='not(mod(n,3))+not(mod(n,7))'"
    make_clip(path, *LOSSLESS, filters=keep, frames=30, rate="30000/1001")


def edit_list(path: Path) -> None:
    """The first third of the stored frames is not shown."""
    plain = make_clip(path.with_name("plain.mp4"), *LOSSLESS, "-g", "100", filters=HD, frames=15)
    ffmpeg("-ss", "0.2", "-i", plain, "-c", "copy", path)


def with_sound(path: Path) -> None:
    sound = ("-c:a", "aac", "-b:a", "96k")
    make_clip(path, *LOSSLESS, filters=HD, frames=20, sound=sound)


def deep(matrix: str, primaries: str, transfer: str, pixels: str) -> Callable[[Path], object]:
    return clip("-c:v", "ffv1", filters=tagged(matrix, "tv", primaries, transfer, pixels))


KINDS = {
    "23.976": Kind(clip(filters=HD, rate="24000/1001")),
    "25": Kind(clip(filters=HD)),
    "30": Kind(clip(filters=HD, rate="30")),
    "60": Kind(clip(filters=HD, rate="60")),
    "variable": Kind(variable),
    "turned 90": Kind(turned(90)),
    "turned 180": Kind(turned(180)),
    "turned 270": Kind(turned(270)),
    "anamorphic": Kind(clip(filters=f"{HD},setsar=16/15")),
    "4:2:2": Kind(clip(filters=tagged("bt709", "tv", "bt709", "bt709", "yuv422p"))),
    "4:4:4": Kind(clip(filters=HD444)),
    "10 bit 4:2:0": Kind(deep("bt709", "bt709", "bt709", "yuv420p10le"), ".mkv"),
    "10 bit 4:2:2 BT.2020": Kind(deep("bt2020nc", "bt2020", "smpte2084", "yuv422p10le"), ".mkv"),
    "BT.601 525": Kind(clip(filters=tagged("smpte170m", "tv", "smpte170m", "smpte170m"))),
    "BT.601 625": Kind(clip(filters=tagged("bt470bg", "tv", "bt470bg", "smpte170m"))),
    "full range": Kind(clip(filters=tagged("bt709", "pc", "bt709", "iec61966-2-1"))),
    "without tags": Kind(clip(filters="scale=out_range=tv,format=yuv420p")),
    "sound": Kind(with_sound),
    "odd size": Kind(
        clip("-c:v", "ffv1", filters=f"{HD444},format=yuv420p", size=(191, 107)),
        ".mkv",
    ),
    "interlaced": Kind(
        clip(
            *("-c:v", "mpeg2video", "-q:v", "2", "-flags", "+ilme+ildct"),
            filters=f"{HD},setfield=tff",
        ),
        ".mpg",
        colours=False,
    ),
    "B-frames": Kind(clip("-c:v", "libx264", "-qp", "0", "-bf", "3", filters=HD, frames=20)),
    "edit list": Kind(edit_list),
    "transport stream": Kind(clip(*LOSSLESS, filters=HD), ".ts"),
}


def expected_times(source: Read, *, whole_milliseconds: bool) -> list[float]:
    """The source's times; from zero where its clock means nothing."""
    return [float(time) for time in source.times]


def same_times(found: Read, source: Read, *, rebased: bool, rounded: bool) -> bool:
    """Whether all times are the source's: exactly, or to the container's milliseconds."""
    shift = source.times[0] - found.times[0] if rebased else 0
    apart = [abs(a - (b - shift)) for a, b in zip(found.times, source.times, strict=True)]
    return max(apart) <= (0.0005 if rounded else 0)


@pytest.mark.parametrize("name", KINDS)
def test_a_source_comes_back(name: str, tmp_path: Path) -> None:
    kind = KINDS[name]
    path = tmp_path / f"source{kind.suffix}"
    kind.make(path)
    source = read(path)
    lossless, edited = tmp_path / "lossless.mkv", tmp_path / "out"
    assert run_video(path, lossless).report.done == 1
    assert run_video(path, edited, ("foreground", "composite")).report.done == 1

    outputs = {
        "mkv": (read(lossless), True),
        "mov": (read(edited / "source-foreground.mov"), False),
        "mp4": (read(edited / "source-composite.mp4"), False),
    }
    rebased = kind.suffix in (".ts", ".mpg")
    for container, (found, rounded) in outputs.items():
        assert len(found.frames) == len(source.frames), container
        assert same_times(found, source, rebased=rebased, rounded=rounded), container
        assert found.tags[0] == source.tags[0], container
        assert found.tags[2:] == source.tags[2:], container
        assert found.aspect == (source.aspect if container != "mkv" or not source.rotation else 1)
        if source.span:  # ProRes and FFV1 have no full range
            assert found.span == (source.span if container == "mp4" else 1), container
        assert found.audio_codec == source.audio_codec, container
        assert found.audio == source.audio, container
    for container in ("mov", "mp4"):
        found = outputs[container][0]
        assert (found.size, found.rotation) == (source.size, source.rotation), container
    if kind.colours:
        compare_colours(source, outputs["mkv"][0])


def compare_colours(source: Read, found: Read) -> None:
    """Alpha is 1, so the lossless result is the source: each level to within one."""
    matrix = MATRIX_NAMES.get(source.matrix, "smpte170m")
    quarter = round(-source.rotation / 90)  # PyAV's rotation is counter-clockwise
    for one, other in zip(source.frames, found.frames, strict=True):
        before = rgb_of(one, matrix, full=source.span == 2)
        after = rgb_of(other, matrix, full=found.span == 2)
        upright = np.rot90(before, -quarter)
        inner = (slice(2, -2), slice(2, -2))  # at the border readers guess chroma differently
        assert np.abs(np.rint(after) - np.rint(upright))[inner].max() <= 1
        assert np.abs(after - upright).mean() <= 0.4
        assert other.format.components[-1].is_alpha
