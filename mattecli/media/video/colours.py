"""Filters between a stream's colours and full-range RGB."""

from __future__ import annotations

from mattecli.media.video.records import ClipInfo

__all__ = ["from_grey", "from_rgb", "tag_filter", "to_grey", "to_rgb"]

# zscale (zimg) computes in float and rounds once; swscale keeps hardly more than 8 bits on the way
# to 16.
_UNKNOWN = ("unknown", "unspecified", "reserved")


def to_rgb(info: ClipInfo, *, deep: bool) -> str:
    """The filter that makes packed RGB of a clip's frames.

    Args:
        info: of the clip.
        deep: 16 bits a channel instead of 8.
    """
    packed = "rgb48le" if deep else "rgb24"
    if not info.is_yuv and not info.is_grey:
        return f"format={packed}"
    if info.is_grey:
        grey = "gray16le" if deep else "gray"
        return f"zscale=rangein={_grey_range(info)}:range=full,format={grey},format={packed}"
    planar = "gbrp16le" if deep else "gbrp"
    matrix = _matrix(info)
    return (
        f"{_whole(info)}zscale=matrixin={matrix}:rangein={_range(info)}:matrix=gbr:range=full,"
        f"format={planar},format={packed}"
    )


def to_grey(info: ClipInfo) -> str:
    """The filter that makes 8-bit full-range grey of a clip's frames: a trimap, a mask."""
    if not info.is_yuv and not info.is_grey:
        return "format=rgb24,format=gray"
    if info.is_grey:
        return f"zscale=rangein={_grey_range(info)}:range=full,format=gray"
    return f"extractplanes=y,zscale=rangein={_range(info)}:range=full,format=gray"


def from_rgb(info: ClipInfo, pixels: str, *, alpha: bool, deep: bool) -> str:
    """The filter that makes a codec's frames of packed RGB or RGBA.

    Alpha goes its own way: zscale would multiply the colours with it and lose what lies below
    zero alpha.

    Args:
        info: of the clip whose matrix and range are kept.
        pixels: the codec's pixel format.
        alpha: whether they are RGBA.
        deep: 16 bits a channel came in.
    """
    if pixels.startswith(("gray", "rgb", "bgr", "gbr", "pal")):
        return f"format={pixels}"
    planar = "gbrp16le" if deep else "gbrp"
    convert = (
        f"format={planar},zscale=matrixin=gbr:rangein=full:matrix={_matrix(info)}"
        f":range={_range(info)}"
    )
    if not alpha:
        return f"{convert},format={_whole_pixels(info, pixels)}"
    opaque = _whole_pixels(info, pixels.replace("yuva", "yuv"))
    span = "pc" if _range(info) == "full" else "tv"
    return (
        f"split[c][m];[c]{convert},format={opaque}[y];"
        f"[m]extractplanes=a,setparams=colorspace=unknown:range=pc,"
        # Full range stays, under the colours' name: ffmpeg would scale it to theirs otherwise.
        f"zscale=rangein=full:range=full:matrix={_matrix(info)},format={opaque},"
        f"setparams=range={span}[a];"
        f"[y][a]mergeplanes=map1p=1:map2p=2:map3s=1:format={pixels}"
    )


def from_grey(info: ClipInfo, pixels: str) -> str:
    """The filter that makes a codec's frames of full-range grey: an alpha matte.

    Args:
        info: of the clip whose range is kept.
        pixels: the codec's pixel format; grey stays at full range.
    """
    if not pixels.startswith("yuv"):
        return f"format={pixels}"
    return f"zscale=rangein=full:range={_range(info)},format={_whole_pixels(info, pixels)}"


def tag_filter(info: ClipInfo, pixels: str) -> str:
    """The filter that puts a clip's tags on frames."""
    tags = info.colour
    is_rgb = pixels.startswith(("rgb", "bgr", "gbr", "pal"))
    matrix = "gbr" if is_rgb else tags.matrix if tags.matrix != "gbr" else _matrix(info)
    span = tags.range if info.is_yuv else "tv"
    if is_rgb or pixels.startswith("gray"):
        span = "pc"
    return (
        f"setparams=range={span}:colorspace={_known(matrix)}"
        f":color_primaries={_known(tags.primaries)}:color_trc={_known(tags.transfer)}"
    )


def _known(name: str) -> str:
    return "unknown" if name in _UNKNOWN else name


def _matrix(info: ClipInfo) -> str:
    name = info.colour.matrix_for(info.size)
    return {"bt2020c": "bt2020nc"}.get(name, name)  # constant luminance: no player decodes it


def _range(info: ClipInfo) -> str:
    """Of luma and chroma; what comes from RGB or grey is written limited."""
    return "full" if info.is_yuv and info.colour.is_full_range else "limited"


def _grey_range(info: ClipInfo) -> str:
    return "limited" if info.colour.range == "tv" else "full"


def _is_odd(info: ClipInfo, pixels: str) -> bool:
    step = 4 if "41" in pixels else 2  # 4:1:1 and 4:1:0
    return bool(info.size.width % step or info.size.height % step) and "444" not in pixels


def _whole(info: ClipInfo) -> str:
    """zscale wants sides that the chroma's divide; swscale brings odd ones to 4:4:4 first."""
    if not _is_odd(info, info.pixels):
        return ""
    return f"format={_yuv444(info.depth)},"


def _yuv444(depth: int) -> str:
    return "yuv444p" if depth <= 8 else f"yuv444p{min(depth, 16)}le"


def _whole_pixels(info: ClipInfo, pixels: str) -> str:
    """For odd sides 4:4:4 out of zscale, and the codec's own out of swscale after it."""
    if not _is_odd(info, pixels):
        return pixels
    whole = pixels.replace("420", "444").replace("422", "444")
    return f"{whole},format={pixels}"
