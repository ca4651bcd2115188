"""What video files can hold, as data, and the codecs that fill them."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from mattecli.errors import UsageError
from mattecli.media.video.records import ClipInfo

__all__ = [
    "CONTAINERS",
    "Codec",
    "CodecName",
    "Container",
    "check_codec",
    "choose_codec",
]

CodecName: TypeAlias = Literal["auto", "prores", "vp9", "h264", "hevc", "ffv1"]

_PCM = frozenset({"pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_s16be", "pcm_s24be", "pcm_f32le"})
_MP4_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "flac", "opus"})
_MP4_COPIED = frozenset({"mov_text"})
_TEXT = frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """One kind of video file.

    Attributes:
        name: its name for ``--format``, and its suffix without the dot.
        muxer: ffmpeg's name.
        codecs: what it can hold, the usual one first.
        alpha_codecs: those of them that carry alpha here.
        audio: codecs that are copied.
        audio_codec: what others are converted to, with its settings; empty: no sound.
        subtitles: codecs that are copied.
        subtitle_codec: what other text is converted to, or "".
        attachments: it takes files along (fonts, covers).
        turns: it can say that a player has to turn the pictures.
        ticks: it keeps any time base; others round times (see ``resolution``).
        resolution: how times are rounded, for people; "" where they are not.
        segment: muxer and suffix of the pieces that it is joined from.
    """

    name: str
    muxer: str
    codecs: tuple[CodecName, ...]
    alpha_codecs: tuple[CodecName, ...] = ()
    audio: frozenset[str] = frozenset()
    audio_codec: tuple[str, ...] = ()
    subtitles: frozenset[str] = frozenset()
    subtitle_codec: str = ""
    attachments: bool = False
    turns: bool = False
    ticks: bool = False
    resolution: str = ""
    segment: tuple[str, str] = ("matroska", ".mkv")

    @property
    def is_animation(self) -> bool:
        """A GIF or WebP, made of lossless pieces at the end."""
        return self.name in ("gif", "webp")

    @property
    def converted_subtitles(self) -> frozenset[str]:
        """Text that can be brought over."""
        return _TEXT if self.subtitle_codec else frozenset()


_ROWS = (
    Container(
        name="mov",
        muxer="mov",
        codecs=("prores", "h264", "hevc"),
        alpha_codecs=("prores",),
        audio=_MP4_AUDIO - {"flac", "opus"} | _PCM,
        audio_codec=("pcm_s24le",),
        subtitles=_MP4_COPIED,
        subtitle_codec="mov_text",
        turns=True,
        ticks=True,
        segment=("mov", ".mov"),
    ),
    Container(
        name="mp4",
        muxer="mp4",
        codecs=("h264", "hevc"),
        audio=_MP4_AUDIO,
        audio_codec=("aac", "-b:a", "256k"),
        subtitles=_MP4_COPIED,
        subtitle_codec="mov_text",
        turns=True,
        ticks=True,
        segment=("mp4", ".mp4"),
    ),
    Container(
        name="webm",
        muxer="webm",
        codecs=("vp9",),
        alpha_codecs=("vp9",),
        audio=frozenset({"opus", "vorbis"}),
        audio_codec=("libopus", "-b:a", "192k"),
        subtitles=frozenset({"webvtt"}),
        subtitle_codec="webvtt",
        resolution="milliseconds",
    ),
    Container(
        name="mkv",
        muxer="matroska",
        codecs=("ffv1", "h264", "hevc", "vp9"),
        alpha_codecs=("ffv1", "vp9"),
        audio=_MP4_AUDIO | _PCM | {"opus", "vorbis", "mp2", "dts", "truehd", "wmav2"},
        audio_codec=("flac",),
        subtitles=frozenset({"subrip", "ass", "webvtt", "hdmv_pgs_subtitle", "dvd_subtitle"}),
        subtitle_codec="srt",
        attachments=True,
        resolution="milliseconds",
    ),
    Container(
        name="gif",
        muxer="gif",
        codecs=("ffv1",),
        alpha_codecs=("ffv1",),
        resolution="hundredths of a second",
    ),
    Container(
        name="webp",
        muxer="webp",
        codecs=("ffv1",),
        alpha_codecs=("ffv1",),
        resolution="milliseconds",
    ),
)

CONTAINERS = MappingProxyType({row.name: row for row in _ROWS})
"""All containers by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codec:
    """An encoder with its settings.

    Attributes:
        name: as for ``--codec``.
        arguments: for ffmpeg.
        pixels: ffmpeg's pixel format.
    """

    name: str
    arguments: tuple[str, ...]
    pixels: str


def choose_codec(
    container: Container,
    info: ClipInfo,
    content: Literal["rgba", "rgb", "grey"],
    wanted: CodecName = "auto",
    crf: int | None = None,
) -> Codec:
    """The codec for a clip in a container.

    Args:
        container: where to.
        info: of the source: depth and chroma are kept as far as the codec can.
        content: RGBA, opaque colours, or an alpha matte as grey.
        wanted: what the user asked for.
        crf: constant rate factor for h264, hevc and vp9.

    Raises:
        UsageError: the container cannot hold it.
    """
    name = check_codec(container, content, wanted, crf)
    possible = container.alpha_codecs if content == "rgba" else container.codecs
    if wanted == "auto" and name == "h264" and info.depth > 8 and "hevc" in possible:
        name = "hevc"  # players decode 10 bits of HEVC, hardly of H.264
    return _MAKERS[name](info, content, crf)


def check_codec(
    container: Container,
    content: Literal["rgba", "rgb", "grey"],
    wanted: CodecName = "auto",
    crf: int | None = None,
) -> str:
    """The codec's name, as far as it does not depend on the clip.

    Args:
        container, content, wanted, crf: as for ``choose_codec``.

    Raises:
        UsageError: the container cannot hold it.
    """
    possible = container.alpha_codecs if content == "rgba" else container.codecs
    if not possible:
        raise UsageError(
            f".{container.name} cannot hold alpha",
            remedy="write .mov (ProRes 4444), .webm (VP9) or .mkv (FFV1), or -w composite"
            " --background-fill COLOUR, or -w alpha",
        )
    if wanted != "auto" and wanted not in possible:
        what = "alpha in " if content == "rgba" else ""
        raise UsageError(
            f"--codec {wanted} cannot be used for {what}.{container.name}",
            remedy=f"choose {' or '.join(possible)}, or another container",
        )
    name = wanted if wanted != "auto" else possible[0]
    if crf is not None and name in ("prores", "ffv1"):
        raise UsageError(f"--crf is not for {name}", remedy="leave it out")
    return name


def _prores(info: ClipInfo, content: str, _crf: int | None) -> Codec:
    # The encoder spoils the last column of 4:2:2 where widths are odd.
    odd = (info.size.width | info.stored.width) % 2
    full = content == "rgba" or "444" in info.pixels or not info.is_yuv or odd
    profile = "4444" if full else "hq"
    pixels = "yuva444p10le" if content == "rgba" else "yuv444p10le" if full else "yuv422p10le"
    arguments = ("prores_ks", "-profile:v", profile, "-vendor", "apl0", "-alpha_bits", "16")
    return Codec(name="prores", arguments=arguments, pixels=pixels)


def _vp9(info: ClipInfo, content: str, crf: int | None) -> Codec:
    pixels = "yuva420p" if content == "rgba" else "yuv420p"
    if content != "rgba" and info.depth > 8:
        pixels = "yuv420p10le"
    quality = str(12 if crf is None else crf)
    speed = ("-deadline", "good", "-cpu-used", "4", "-row-mt", "1", "-auto-alt-ref", "0")
    arguments = ("libvpx-vp9", "-crf", quality, "-b:v", "0", *speed)
    return Codec(name="vp9", arguments=arguments, pixels=pixels)


def _h264(info: ClipInfo, content: str, crf: int | None) -> Codec:
    quality = str(crf if crf is not None else 10 if content == "grey" else 16)
    # A matte is smooth: twice the speed costs it a tenth in size.
    speed = "veryfast" if content == "grey" else "fast"
    # Without B-frames decoding times are the frames' own, so that pieces join exactly.
    arguments = ("libx264", "-preset", speed, "-crf", quality, "-bf", "0")
    return Codec(name="h264", arguments=arguments, pixels=_halved(info))


def _hevc(info: ClipInfo, content: str, crf: int | None) -> Codec:
    quality = str(crf if crf is not None else 10 if content == "grey" else 16)
    own = "log-level=error:bframes=0"
    arguments = ("libx265", "-preset", "fast", "-crf", quality, "-x265-params", own)
    return Codec(name="hevc", arguments=(*arguments, "-tag:v", "hvc1"), pixels=_halved(info))


def _halved(info: ClipInfo) -> str:
    """4:2:0, which every player knows; 4:4:4 for odd sides, which 4:2:0 cannot have."""
    chroma = "444" if info.size.width % 2 or info.size.height % 2 else "420"
    return f"yuv{chroma}p10le" if info.depth > 8 else f"yuv{chroma}p"


def _ffv1(info: ClipInfo, content: str, _crf: int | None) -> Codec:
    deep = info.depth > 8
    # Two bits more than the source's keep its 4:2:0 codes within one level of RGB.
    bits = "12le" if deep else "10le"
    pixels = {
        "rgba": f"yuva444p{bits}",
        "rgb": f"yuv444p{bits}",
        "grey": "gray16le" if deep else "gray",
    }[content]
    arguments = ("ffv1", "-level", "3", "-g", "1", "-slices", "4", "-slicecrc", "1")
    return Codec(name="ffv1", arguments=arguments, pixels=pixels)


_MAKERS = MappingProxyType(
    {"prores": _prores, "vp9": _vp9, "h264": _h264, "hevc": _hevc, "ffv1": _ffv1}
)
