"""Small videos for tests, an estimator without a network, and an independent reader (PyAV)."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from mattecli.engine.estimator import Estimator, Matte, Photo, Prepared
from mattecli.jobs.video import SilentVideo, matte_videos
from mattecli.records import ItemRecord, Report
from mattecli.settings import InputOptions, ModelOptions
from mattecli.settings.finish import FrameFinishOptions
from mattecli.settings.video import (
    ClipOptions,
    VideoOptions,
    VideoOutputOptions,
    VideoPixelOptions,
)

Rgb = npt.NDArray[Any]
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()

LUMA = {  # kr, kb
    "bt709": (0.2126, 0.0722),
    "smpte170m": (0.299, 0.114),
    "bt470bg": (0.299, 0.114),
    "bt2020nc": (0.2627, 0.0593),
}
MATRIX_NAMES = {1: "bt709", 5: "bt470bg", 6: "smpte170m", 9: "bt2020nc"}


def ffmpeg(*arguments: str | Path, stdin: bytes | None = None) -> None:
    """Run ffmpeg; its words are in the failure."""
    done = subprocess.run(
        [FFMPEG, "-v", "error", "-nostdin" if stdin is None else "-y", "-y", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def picture(index: int, width: int, height: int) -> npt.NDArray[np.uint8]:
    """A smooth picture that moves from frame to frame, and whose frames can be told apart."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    phase = 2 * np.pi * (x / (2.2 * width) + index / 40)
    red = 120 + 60 * np.sin(phase)
    green = 110 + 50 * np.cos(2 * np.pi * y / (2.5 * height) + index / 9)
    blue = 130 + 40 * np.sin(phase + 2 * np.pi * y / (3 * height))
    return np.rint(np.stack([red, green, blue], -1)).astype(np.uint8)


def raw_frames(count: int, width: int, height: int) -> bytes:
    """So many pictures, as ffmpeg's rawvideo rgb24."""
    return b"".join(picture(index, width, height).tobytes() for index in range(count))


def make_clip(
    path: Path,
    *encoding: str,
    frames: int = 12,
    size: tuple[int, int] = (192, 108),
    rate: str = "25",
    filters: str = "",
    sound: Sequence[str] = (),
) -> Path:
    """A video of ``picture``s, encoded as the arguments say."""
    width, height = size
    given = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", rate]
    tone = ["-f", "lavfi", "-i", f"sine=440:sample_rate=48000:d={frames / float(Fraction(rate))}"]
    vf = ["-vf", filters] if filters else []
    audio = [*tone] if sound else []
    ffmpeg(
        *given, "-i", "pipe:0", *audio, *vf, "-fps_mode", "passthrough", *encoding, *sound, path,
        stdin=raw_frames(frames, width, height),
    )  # fmt: skip
    return path


class Identity(Estimator):
    """No model: alpha is 1, or what a function makes of the frame."""

    def __init__(self, alpha: Callable[[Rgb], npt.NDArray[np.float32]] | None = None) -> None:
        self._alpha = alpha

    def prepare(self, photo: Photo) -> Prepared:
        return Prepared.whole(photo)

    def estimate(self, group: Sequence[Prepared]) -> list[Matte]:
        return [Matte(alpha=self._of(item.color)) for item in group]

    def _of(self, color: Rgb) -> npt.NDArray[np.float32]:
        if self._alpha is None:
            return np.ones(color.shape[:2], np.float32)
        return self._alpha(color)

    def describe(self) -> dict[str, object]:
        return {"device": "none"}


def take_all(folder: Path, size: tuple[int, int]) -> tuple[str, ...]:
    """Arguments of a run in ``folder`` that takes all of each frame: no model is at work."""
    cv2.imwrite(str(folder / "all.png"), np.full((size[1], size[0]), 255, np.uint8))
    return ("--model", "closed-form", "--foreground", "none", "--trimap", "all.png")


@dataclass
class Watcher(SilentVideo):
    """Keeps what it is told."""

    items: list[ItemRecord] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def item(self, record: ItemRecord) -> None:
        self.items.append(record)

    def note(self, text: str, *, detail: bool = False) -> None:
        self.notes.append(text)


@dataclass
class Done:
    """What a run through the library left."""

    report: Report
    watcher: Watcher

    @property
    def item(self) -> ItemRecord:
        assert len(self.watcher.items) == 1
        return self.watcher.items[0]


def run_video(
    inputs: Path | Sequence[Path],
    output: Path | str,
    write: Sequence[str] = ("foreground",),
    estimator: Estimator | None = None,
    **options: Any,
) -> Done:
    """``matte_videos`` with an estimator that needs no weights.

    Args:
        options: fields of the options' groups, each under the group that has it.
    """
    paths = [inputs] if isinstance(inputs, Path) else inputs
    watcher = Watcher()

    def group(kind: Any, **fixed: Any) -> Any:
        names = kind.__dataclass_fields__
        return kind(**fixed, **{name: options[name] for name in names if name in options})

    report = matte_videos(
        VideoOptions(
            source=group(InputOptions, inputs=tuple(str(path) for path in paths)),
            target=group(VideoOutputOptions, output=str(output)),
            pixels=group(VideoPixelOptions, write=tuple(write)),
            clip=group(ClipOptions),
            finish=group(FrameFinishOptions),
            model=group(ModelOptions),
        ),
        watcher,
        estimator=estimator or Identity(),
    )
    return Done(report, watcher)


@dataclass
class Read:
    """A video as PyAV reads it."""

    times: list[Fraction]
    frames: list[av.VideoFrame]
    matrix: int
    span: int
    primaries: int
    transfer: int
    aspect: Fraction
    rotation: int
    size: tuple[int, int]
    pixels: str
    audio: list[bytes]
    audio_codec: str
    time_base: Fraction

    @property
    def tags(self) -> tuple[int, int, int, int]:
        return self.matrix, self.span, self.primaries, self.transfer


def read(path: Path, *, decoder: str = "") -> Read:
    """All frames with their times, all sound packets, and the tags."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        if decoder:
            context = av.CodecContext.create(decoder, "r")
        frames = []
        for packet in container.demux(stream):
            decoded = (
                context.decode(packet if packet.size else None) if decoder else packet.decode()
            )
            for frame in decoded:
                frame.time_base = frame.time_base or stream.time_base
                frames.append(frame)
        first = frames[0]
        sounds = container.streams.audio
        found = Read(
            times=[Fraction(frame.pts) * stream.time_base for frame in frames],
            frames=frames,
            matrix=int(context.colorspace)
            if int(context.colorspace) != 2
            else int(first.colorspace),
            span=int(context.color_range),
            primaries=int(context.color_primaries),
            transfer=int(context.color_trc),
            aspect=stream.sample_aspect_ratio or Fraction(1),
            rotation=first.rotation,
            size=(first.width, first.height),
            pixels=first.format.name,
            audio=[],
            audio_codec=sounds[0].codec_context.name if sounds else "",
            time_base=stream.time_base,
        )
        if sounds:
            with av.open(str(path)) as again:
                packets = again.demux(audio=0)
                found.audio = [bytes(packet) for packet in packets if packet.size]
        return found


def planes(frame: av.VideoFrame) -> list[npt.NDArray[Any]]:
    """The frame's planes as arrays, by the pixel format's own description."""
    kinds = []
    for number, plane in enumerate(frame.planes):
        bits = frame.format.components[min(number, len(frame.format.components) - 1)].bits
        kind = np.uint8 if bits <= 8 else np.dtype("<u2")
        flat = np.frombuffer(plane, kind).reshape(plane.height, -1)
        kinds.append(flat[:, : plane.width])
    return kinds


def rgb_of(frame: av.VideoFrame, matrix: str, *, full: bool) -> npt.NDArray[np.float64]:
    """RGB in levels 0..255, unrounded, by the standards' formulas (ITU-R BT.601, 709, 2020)."""
    luma, *chroma = (plane.astype(np.float64) for plane in planes(frame)[:3])
    cb, cr = (_enlarged(plane, luma.shape) for plane in chroma)
    bits = frame.format.components[0].bits
    step = 2.0 ** (bits - 8)
    if full:
        top = 2.0**bits - 1
        y, cb, cr = luma / top, (cb - 128 * step) / top, (cr - 128 * step) / top
    else:
        y = (luma - 16 * step) / (219 * step)
        cb, cr = (cb - 128 * step) / (224 * step), (cr - 128 * step) / (224 * step)
    kr, kb = LUMA[matrix]
    red, blue = y + 2 * (1 - kr) * cr, y + 2 * (1 - kb) * cb
    green = (y - kr * red - kb * blue) / (1 - kr - kb)
    return np.stack([red, green, blue], -1) * 255


def _enlarged(plane: npt.NDArray[np.float64], shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Chroma at luma's size; samples lie on even columns, and between rows (MPEG-2's siting)."""
    height, width = shape
    down, across = height / plane.shape[0] > 1.5, width / plane.shape[1] > 1.5
    rows = (np.arange(height) + 0.5) / 2 - 0.5 if down else np.arange(height)
    columns = np.arange(width) / 2 if across else np.arange(width)
    y, x = np.meshgrid(rows, columns, indexing="ij")
    x32, y32 = x.astype(np.float32), y.astype(np.float32)
    grown = cv2.remap(plane, x32, y32, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(grown, np.float64)


def alpha_of(frame: av.VideoFrame) -> npt.NDArray[np.float64]:
    """The alpha plane, 0..1."""
    bits = frame.format.components[-1].bits
    return planes(frame)[-1].astype(np.float64) / (2.0**bits - 1)
