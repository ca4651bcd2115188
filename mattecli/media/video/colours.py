"""Filters between a stream's colours and full-range RGB."""

from __future__ import annotations

from mattecli.media.video.records import ClipInfo
from mattecli.records import Size

__all__ = ["cut", "from_grey", "from_rgb", "is_uneven", "tag_filter", "to_grey", "to_rgb"]

# zscale (zimg) computes in float and rounds once; swscale keeps hardly more than 8 bits on the way
# to 16.
# A matrix is named for grey, too, which has none: zimg finds no way from 12 or 16 bits without.
_GREY = "matrixin=bt709:matrix=bt709"
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
        return f"{_full_grey(info, _grey_range(info))},format={grey},format={packed}"
    planar = "gbrp16le" if deep else "gbrp"
    matrix = _matrix(info)
    convert = (
        f"zscale=matrixin={matrix}:rangein={_range(info)}:matrix=gbr:range=full,"
        f"format={planar},format={packed}"
    )
    if not is_uneven(info.stored, info.pixels):
        return convert
    # The chroma reaches beyond the luma already: the luma alone is filled up, and cut again.
    pixels = info.pixels.replace("yuvj", "yuv").replace("yuva", "yuv")
    across, down = _chroma(pixels)
    sides = f"ceil(iw/{across})*{across}:ceil(ih/{down})*{down}"
    whole = f"extractplanes=y+u+v[y][u][v];[y]pad={sides}[p];"
    merge = f"[p][u][v]mergeplanes=map1s=1:map2s=2:format={pixels}"
    return f"{whole}{merge},{convert},{cut(info.stored)}"


def to_grey(info: ClipInfo) -> str:
    """The filter that makes 8-bit full-range grey of a clip's frames: a trimap, a mask."""
    if not info.is_yuv and not info.is_grey:
        return "format=rgb24,format=gray"
    if info.is_grey:
        return f"{_full_grey(info, _grey_range(info))},format=gray"
    return f"{_full_grey(info, _range(info))},format=gray"


def _full_grey(info: ClipInfo, span: str) -> str:
    """From luma or grey of a range to grey of the full one."""
    steps = ["extractplanes=y"] if info.is_yuv or info.pixels.startswith("ya") else []
    if info.depth > 10 and span == "limited":
        steps.append("format=gray10le")  # from more bits of grey zscale takes no range away
    return ",".join([*steps, f"zscale={_GREY}:rangein={span}:range=full"])


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
        return f"{convert},format={pixels}"
    opaque = pixels.replace("yuva", "yuv")
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
    return f"zscale={_GREY}:rangein=full:range={_range(info)},format={pixels}"


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


def is_uneven(size: Size, pixels: str) -> bool:
    """Whether a picture's sides are not divided by those of its chroma samples.

    zscale refuses such pictures: they are made larger before it, and cut after it.
    """
    across, down = _chroma(pixels)
    return pixels.startswith("yuv") and bool(size.width % across or size.height % down)


def _chroma(pixels: str) -> tuple[int, int]:
    """How many luma samples a chroma sample has, across and down."""
    across = 1 if "444" in pixels or "440" in pixels else 4 if "41" in pixels else 2
    down = 2 if "420" in pixels or "440" in pixels or "410" in pixels else 1
    return across, down


def cut(size: Size) -> str:
    """The filter that cuts a picture to its left upper part."""
    return f"crop={size.width}:{size.height}:0:0:exact=1"
