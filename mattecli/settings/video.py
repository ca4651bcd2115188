"""Options of ``mattecli video``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from mattecli.settings.checked import Checked
from mattecli.settings.common import (
    DeviceOptions,
    EngineOptions,
    Existing,
    InputOptions,
    RunOptions,
    journal_option,
    name_option,
    retry_option,
)
from mattecli.settings.composite import Fit
from mattecli.settings.finish import FrameFinishOptions
from mattecli.settings.matte import (
    ForegroundChoice,
    ModelOptions,
    foreground_option,
    premultiply_option,
)
from mattecli.settings.option import option
from mattecli.settings.trimap import TrimapShape

__all__ = [
    "BackgroundEnd",
    "ClipOptions",
    "Smoothing",
    "VideoKind",
    "VideoOptions",
    "VideoOutputOptions",
    "VideoPixelOptions",
]

VideoKind: TypeAlias = Literal["foreground", "alpha", "fill", "composite"]
Smoothing: TypeAlias = Literal["off", "ofd", "flow"]
BackgroundEnd: TypeAlias = Literal["loop", "hold", "trim"]
VideoFormat: TypeAlias = Literal[
    "mov", "mp4", "webm", "mkv", "gif", "webp", "png", "tiff", "exr", "nut", "y4m"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoOutputOptions(Checked):
    """Outputs."""

    output: str | None = option(
        None,
        "--output",
        "-o",
        help="A file whose suffix says the container (.mov .webm .mp4 .mkv .gif .webp), numbered"
        " images (frames/%06d.png, .tiff, .exr), a folder, or - for standard output",
        metavar="PATH",
    )
    name: str = name_option("outputs in a folder")
    format: VideoFormat | None = option(
        None,
        "--format",
        help="Container for outputs in a folder (default: mov, composites mp4); for standard"
        " output nut (default) or y4m",
    )
    existing: Existing = option(
        "overwrite",
        "--existing",
        help="What to do where outputs exist: overwrite, skip or error",
    )
    journal: str | None = journal_option()
    retry_failed: bool = retry_option()
    resume: bool = option(
        False,
        "--resume",
        help="Go on where a stopped run ended: its completed pieces are kept",
    )
    codec: Literal["auto", "prores", "vp9", "h264", "hevc", "ffv1"] = option(
        "auto",
        "--codec",
        help="auto: ProRes in .mov, VP9 in .webm, FFV1 in .mkv, H.264 in .mp4 (HEVC for 10 bits)",
    )
    crf: int | None = option(
        None, "--crf", help="Quality of h264, hevc and vp9: lower is better, 0 to 63"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOptions(Checked):
    """Clip."""

    start: str | None = option(
        None,
        "--start",
        help="Where to begin: seconds, [HH:]MM:SS[.fff], or a frame's number as 120f, from 0",
        metavar="TIME|FRAMEf",
    )
    end: str | None = option(
        None, "--end", help="Where to stop, in the same way; not included", metavar="TIME|FRAMEf"
    )
    fps: str | None = option(
        None,
        "--fps",
        help="Frames a second of numbered images (default 25), such as 24000/1001",
        metavar="RATE",
    )
    smooth: Smoothing = option(
        "off",
        "--smooth",
        help="Steady the alpha over time: ofd (MODNet's one-frame delay) or flow (along the"
        " motion, two frames to either side)",
    )
    piece_frames: int = option(
        250,
        "--piece-frames",
        help="Frames of a piece: what a stop can cost a run that is resumed",
        metavar="N",
    )
    max_frames: int = option(
        10_000_000, "--max-frames", help="Refuse videos of more frames", metavar="N"
    )
    stall_timeout: float = option(
        60.0,
        "--stall-timeout",
        help="Give ffmpeg up when it has done nothing for so many seconds",
        metavar="SECONDS",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPixelOptions(Checked):
    """Results."""

    write: tuple[VideoKind, ...] = option(
        (),
        "--write",
        "-w",
        help="What to write, by commas or repeated: foreground (with alpha), alpha (as grey), fill"
        " (the foreground's colours alone), composite. Default: foreground",
        metavar="KINDS",
    )
    foreground: ForegroundChoice = foreground_option()
    premultiply: bool = premultiply_option()
    background_fill: str | None = option(
        None,
        "--background-fill",
        help="Write a composite before this: a colour (else white), an image, a video, or blur",
        metavar="COLOUR|IMAGE|VIDEO|blur",
    )
    background_end: BackgroundEnd = option(
        "loop",
        "--background-end",
        help="When a video behind the composite is over: loop, hold its last frame, or trim the"
        " result",
    )
    fit: Fit = option("cover", "--fit", help="How a background image or video fills the frame")

    @property
    def fill(self) -> str:
        """What stands behind the composite."""
        return "white" if self.background_fill is None else self.background_fill


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoOptions(Checked):
    """Options of ``mattecli video``."""

    source: InputOptions = field(default_factory=InputOptions)
    target: VideoOutputOptions = field(default_factory=VideoOutputOptions)
    clip: ClipOptions = field(default_factory=ClipOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    pixels: VideoPixelOptions = field(default_factory=VideoPixelOptions)
    finish: FrameFinishOptions = field(default_factory=FrameFinishOptions)
    shape: TrimapShape = field(default_factory=TrimapShape)
    device: DeviceOptions = field(default_factory=DeviceOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)
    run: RunOptions = field(default_factory=RunOptions)

    @property
    def beside(self) -> tuple[str | None, ...]:
        """What the user named beside the videos: trimap, mask, plate, segmentation, background."""
        model, fill = self.model, self.pixels.fill
        return (model.trimap, model.mask, model.background, model.segmentation, fill)
