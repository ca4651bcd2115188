"""Which codec each kind of output of a video gets, and what formats cannot hold."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from mattecli.errors import UsageError
from mattecli.jobs.video_plan import VideoTask
from mattecli.media.formats import writable_format
from mattecli.media.video.containers import CONTAINERS, Codec, check_codec, choose_codec
from mattecli.media.video.records import ClipInfo
from mattecli.settings.video import VideoOptions

__all__ = ["CONTENT", "MUXERS", "check_kinds", "codecs_of"]

CONTENT: Mapping[str, Literal["rgba", "rgb", "grey"]] = MappingProxyType(
    {
        "foreground": "rgba",
        "alpha": "grey",
        "fill": "rgb",
        "composite": "rgb",
    }
)
"""Channels of each kind of output."""

MUXERS: Mapping[str, str] = MappingProxyType({"nut": "nut", "y4m": "yuv4mpegpipe"})
"""ffmpeg's names for the formats that standard output takes."""


def check_kinds(formats: Mapping[str, str], options: VideoOptions) -> None:
    """Whether what is to be written can be.

    Args:
        formats: container, or image format, of each kind of output.

    Raises:
        UsageError: a container cannot hold it.
    """
    target = options.target
    for kind, name in formats.items():
        content = CONTENT[kind]
        if name == "y4m" and content == "rgba":
            raise UsageError("y4m cannot hold alpha", remedy="use --format nut, or --write alpha")
        if name in CONTAINERS:
            check_codec(CONTAINERS[name], content, target.codec, target.crf)
        elif name not in MUXERS:
            _check_image_format(name)


def codecs_of(task: VideoTask, info: ClipInfo, options: VideoOptions) -> dict[str, Codec]:
    """The codec of each kind of output that ``check_kinds`` found possible; none for images."""
    codecs, target = {}, options.target
    for kind, name in task.formats.items():
        content = CONTENT[kind]
        if name in MUXERS:
            codecs[kind] = _raw(name, content, info)
        elif name in CONTAINERS:
            codecs[kind] = choose_codec(CONTAINERS[name], info, content, target.codec, target.crf)
    return codecs


def _check_image_format(name: str) -> None:
    row = writable_format(name)
    if row.name not in ("png", "tiff", "exr"):
        raise UsageError(
            f"frames are not written as {row.name}", remedy="use png, tiff or exr, or a video"
        )


def _raw(name: str, content: str, info: ClipInfo) -> Codec:
    deep = info.depth > 8
    if name == "nut":
        layouts = {
            "rgba": "rgba64le" if deep else "rgba",
            "rgb": "rgb48le" if deep else "rgb24",
            "grey": "gray16le" if deep else "gray",
        }
        return Codec(name="raw", arguments=("rawvideo",), pixels=layouts[content])
    grey = "gray10le" if deep else "gray"
    colour = "yuv444p10le" if deep else "yuv444p"
    pixels = grey if content == "grey" else colour
    return Codec(name="raw", arguments=("wrapped_avframe", "-strict", "-1"), pixels=pixels)
