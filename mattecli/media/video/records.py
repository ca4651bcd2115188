"""What is known of a video, and its frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, TypeAlias

from mattecli.records import Array, Size

__all__ = ["Chapter", "ClipInfo", "Colour", "FieldOrder", "Frame", "OtherStream", "Span"]

FieldOrder: TypeAlias = Literal["progressive", "tt", "bb", "tb", "bt"]

_HD_HEIGHT = 720
_HD_WIDTH = 1280
_INDEXED = frozenset({"mov", "matroska", "avi", "nut", "yuv4mpegpipe"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Colour:
    """A stream's colour tags, by ffmpeg's names; ``unknown`` where the file says nothing.

    Attributes:
        matrix: bt709, smpte170m, bt470bg, bt2020nc, gbr ...
        range: tv (limited), pc (full) or unknown.
        primaries, transfer: such as bt709, smpte2084.
    """

    matrix: str = "unknown"
    range: str = "unknown"
    primaries: str = "unknown"
    transfer: str = "unknown"

    def matrix_for(self, size: Size) -> str:
        """The matrix that players use: as tagged, else by size (709 from 720 lines on)."""
        if self.matrix not in ("unknown", "unspecified", "reserved", "gbr"):
            return self.matrix
        is_hd = size.height >= _HD_HEIGHT or size.width >= _HD_WIDTH
        return "bt709" if is_hd else "smpte170m"

    @property
    def is_full_range(self) -> bool:
        """Whether levels reach from 0 to the highest code."""
        return self.range == "pc"


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherStream:
    """A stream beside the pictures.

    Attributes:
        index: its number in the file.
        kind: audio, subtitle, data, attachment, or video (a further one, or a cover picture).
        codec: ffmpeg's name.
        language: ISO 639-2 code, or "".
        early: seconds of its sound that come before its beginning, for the decoder to leave out.
    """

    index: int
    kind: str
    codec: str
    language: str = ""
    early: Fraction = Fraction(0)


@dataclass(frozen=True, slots=True)
class Chapter:
    """A chapter.

    Attributes:
        start, end: seconds of the file's clock.
        tags: its title and so on.
    """

    start: Fraction
    end: Fraction
    tags: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipInfo:
    """What the headers and the first frame of a video say.

    Attributes:
        format: ffmpeg's name of the container.
        codec: of the video stream.
        stream: the video stream's index in the file.
        stored: size of the stored frames.
        rotation: degrees clockwise that a player turns them by: 0, 90, 180 or 270.
        is_flipped: they are mirrored too, or turned by another angle; ffmpeg sets them upright,
            and ``rotation`` says only whether their sides change places.
        aspect: sample aspect ratio of the upright frames; 1 where unknown.
        pixels: ffmpeg's name of the pixel format.
        depth: bits a channel.
        is_yuv: colours are stored as luma and chroma.
        is_grey: one channel.
        has_alpha: the frames have an alpha channel of their own.
        colour: tags.
        fields: order of the fields.
        time_base: seconds a tick of the stream's timestamps.
        rate: nominal frames per second, or None.
        origin: seconds that the container's clock starts at, where that means nothing (MPEG-TS);
            taken off all timestamps.
        frames: how many the header claims, or None.
        seconds: duration that the header claims, or None.
        others: audio, subtitles and so on.
        chapters: in their order.
        timecode: of the first frame, or "".
        tags: what the video stream is called: language and title, where it says them.
        is_short: the file ends before its header says.
    """

    format: str
    codec: str
    stream: int
    stored: Size
    rotation: int = 0
    is_flipped: bool = False
    aspect: Fraction = Fraction(1)
    pixels: str
    depth: int = 8
    is_yuv: bool = True
    is_grey: bool = False
    has_alpha: bool = False
    colour: Colour = field(default_factory=Colour)
    fields: FieldOrder = "progressive"
    time_base: Fraction
    rate: Fraction | None = None
    origin: Fraction = Fraction(0)
    frames: int | None = None
    seconds: float | None = None
    others: tuple[OtherStream, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    timecode: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    is_short: bool = False

    @property
    def size(self) -> Size:
        """Size of the upright frames."""
        turned = self.rotation in (90, 270)
        return Size(self.stored.height, self.stored.width) if turned else self.stored

    @property
    def has_index(self) -> bool:
        """Whether a jump to a time lands on a key frame; elsewhere it lands anywhere."""
        return self.format.partition(",")[0] in _INDEXED

    @property
    def is_timeless(self) -> bool:
        """Whether it is a stream of images, whose rate is a guess."""
        return self.format == "mjpeg" or self.format.endswith("_pipe")

    @property
    def expected(self) -> int | None:
        """About how many frames there are, for progress."""
        if self.frames:
            return self.frames
        if self.seconds and self.rate:
            return max(1, round(self.seconds * float(self.rate)))
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame, upright.

    Attributes:
        index: its number in the clip, from 0.
        pts: its time in ticks of the clip's ``time_base``.
        color: H,W,3 RGB, uint8 or uint16 full range; H,W for a reader of grey.
        repeated: it could not be decoded; these are the pixels of the frame before it.
    """

    index: int
    pts: int
    color: Array
    repeated: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """The part of a clip that is wanted, in ticks of its time base: start <= pts < end.

    Attributes:
        start: None: from the beginning.
        end: None: to the end.
    """

    start: int | None = None
    end: int | None = None

    @property
    def is_all(self) -> bool:
        """Nothing is cut off."""
        return self.start is None and self.end is None
