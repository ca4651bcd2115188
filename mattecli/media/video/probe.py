"""What a video is, found out by the child process."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mattecli.errors import VideoReadError
from mattecli.media.child_process import child_environment, module_command
from mattecli.media.video.process import FORMATS
from mattecli.media.video.records import Chapter, ClipInfo, Colour, OtherStream
from mattecli.records import Size

__all__ = ["child_command", "probe"]

_SECONDS = 60.0
_MOST_SIDE = 65_536

# ITU-T H.273, by ffmpeg's names.
_MATRICES = MappingProxyType(
    {
        0: "gbr", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco",
        9: "bt2020nc", 10: "bt2020c", 12: "chroma-derived-nc", 13: "chroma-derived-c", 14: "ictcp",
    }
)  # fmt: skip
_RANGES = MappingProxyType({1: "tv", 2: "pc"})
_PRIMARIES = MappingProxyType(
    {
        1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film",
        9: "bt2020", 10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "jedec-p22",
    }
)  # fmt: skip
_TRANSFERS = MappingProxyType(
    {
        1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "linear",
        9: "log100", 10: "log316", 11: "iec61966-2-4", 12: "bt1361e", 13: "iec61966-2-1",
        14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 17: "smpte428", 18: "arib-std-b67",
    }
)  # fmt: skip


def child_command(task: str, descriptor: int) -> list[str]:
    """The command line of the child for ``probe`` or ``index``."""
    return module_command("mattecli.media.video.child", task, str(descriptor))


def probe(descriptor: int, path: Path, *, max_pixels: int) -> ClipInfo:
    """Read a video's headers and its first frame.

    Args:
        descriptor: the open file, at its beginning.
        path: for messages.
        max_pixels: a larger frame is refused.

    Raises:
        VideoReadError: it is no video, or damaged beyond use.
    """
    found = _asked(descriptor, path)
    video = found["video"]
    if video is None:
        kinds = {stream["kind"] for stream in found["others"]} - {"video"}
        kinds |= {"a cover picture" for stream in found["others"] if stream["kind"] == "video"}
        raise VideoReadError(
            f"it has no video stream, only {', '.join(sorted(kinds)) or 'nothing'}",
            path=path,
            remedy="give a video, or images for 'mattecli matte'",
        )
    if not video.get("pixels") or not video["width"] * video["height"] > 0:
        raise VideoReadError(
            f"no frame of its video stream ({video['codec']}) can be decoded",
            path=path,
            remedy="is it whole? play it with another program",
        )
    size = Size(video["width"], video["height"])
    if size.pixels > max_pixels or max(size) > _MOST_SIDE:
        raise VideoReadError(
            f"it claims frames of {size}, more than the limit of {max_pixels:,} pixels",
            path=path,
            remedy="raise --max-pixels if that is right",
        )
    info = _info(found, size)
    _require_readable(info, path)
    return info


def _require_readable(info: ClipInfo, path: Path) -> None:
    """Refuse what ffmpeg may not open."""
    if not set(info.format.split(",")).isdisjoint(FORMATS.split(",")):
        return
    if info.is_timeless:
        raise VideoReadError(
            f"images of this kind ({info.codec}) run into each other in a stream",
            path=path,
            remedy="write them to a folder, or pipe PNG (-c:v png)",
        )
    raise VideoReadError(
        f"videos are not read from {info.format}",
        path=path,
        remedy="convert it first, such as by: ffmpeg -i FILE -c copy out.mkv",
    )


def _asked(descriptor: int, path: Path) -> dict[str, Any]:
    try:
        done = subprocess.run(
            child_command("probe", descriptor),
            pass_fds=[descriptor],
            env=child_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise VideoReadError("reading its header takes forever", path=path) from None
    if done.returncode != 0:
        words = done.stderr.decode("utf-8", "replace").strip().splitlines()
        reason = words[-1] if words else f"its reader ended with {done.returncode}"
        raise VideoReadError(
            f"it is no video that can be read ({reason})",
            path=path,
            remedy="is it whole? play it with another program",
        )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _info(found: dict[str, Any], size: Size) -> ClipInfo:
    video = found["video"]
    return ClipInfo(
        format=found["format"],
        codec=video["codec"],
        stream=video["index"],
        stored=size,
        rotation=video.get("rotation", 0),
        is_flipped=video.get("is_flipped", False),
        aspect=_aspect(Fraction(video["aspect"]), video.get("rotation", 0)),
        pixels=video["pixels"],
        depth=video["depth"],
        is_yuv=video["is_yuv"],
        is_grey=video["is_grey"],
        has_alpha=video["has_alpha"],
        colour=_colour(video["colour"], video["pixels"]),
        fields=video["fields"],
        time_base=Fraction(video["time_base"]),
        rate=Fraction(video["rate"]) or None,
        origin=Fraction(found.get("origin", "0")),
        frames=video["frames"],
        seconds=video["seconds"],
        others=_others(found["others"]),
        chapters=tuple(_chapter(chapter) for chapter in found["chapters"]),
        timecode=video["timecode"],
        tags=_pairs(video["tags"]),
        is_short=found.get("is_short", False),
    )


def _aspect(stored: Fraction, rotation: int) -> Fraction:
    return 1 / stored if rotation in (90, 270) else stored


def _colour(tags: dict[str, int], pixels: str) -> Colour:
    span = _RANGES.get(tags["range"], "unknown")
    if pixels.startswith("yuvj"):
        span = "pc"
    return Colour(
        matrix=_MATRICES.get(tags["matrix"], "unknown"),
        range=span,
        primaries=_PRIMARIES.get(tags["primaries"], "unknown"),
        transfer=_TRANSFERS.get(tags["transfer"], "unknown"),
    )


def _others(streams: Sequence[dict[str, Any]]) -> tuple[OtherStream, ...]:
    return tuple(
        OtherStream(**{**stream, "early": Fraction(stream.get("early", "0"))}) for stream in streams
    )


def _chapter(found: dict[str, Any]) -> Chapter:
    return Chapter(Fraction(found["start"]), Fraction(found["end"]), _pairs(found["tags"]))


def _pairs(tags: dict[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((str(name), str(value)) for name, value in tags.items())
