"""What a result takes over from its source beside the pictures: sound, subtitles, chapters, names.

All times in here are seconds of the source's clock; the joiner takes its origin off at the end.
"""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

from mattecli.media.video.containers import Container
from mattecli.media.video.join_plan import JoinPlan, seconds_text
from mattecli.media.video.process import FORMATS
from mattecli.media.video.records import Chapter, ClipInfo, OtherStream

__all__ = ["source_input", "stream_arguments", "stream_notes", "write_chapters"]

_CHAPTERS = "chapters.ffmeta"
_EARLIER = 10  # seconds before the wanted part at which reading begins
_LATER = 2  # seconds after it at which reading ends
_OF_ITS_CONTAINER = ("major_brand", "minor_version", "compatible_brands")
_QUICKTIME = MappingProxyType(  # the one of a language's two codes that .mov has a number for
    {
        "bod": "tib", "cym": "wel", "cze": "ces", "deu": "ger", "ell": "gre", "eus": "baq",
        "fre": "fra", "hye": "arm", "isl": "ice", "kat": "geo", "mkd": "mac", "msa": "may",
        "mya": "bur", "nld": "dut", "rum": "ron", "slo": "slk", "sqi": "alb", "zho": "chi",
    }
)  # fmt: skip
_SPECIAL = re.compile(r"([=;#\\\n])")


def source_input(plan: JoinPlan, source: int | None) -> list[str]:
    """The source as second input, from somewhat before the wanted part to somewhat after it."""
    if source is None:
        return []
    cut = []
    if plan.start is not None and plan.start > _EARLIER and plan.info.has_index:
        cut += ["-ss", seconds_text(plan.start - _EARLIER)]
    if plan.end is not None:
        cut += ["-to", seconds_text(plan.end + _LATER)]
    seek = ["-seek_timestamp", "1"] if cut else []
    whitelists = ["-protocol_whitelist", "fd,pipe", "-format_whitelist", FORMATS]
    return [*seek, *cut, *whitelists, "-fd", str(source), "-i", "fd:"]


def write_chapters(folder: Path, plan: JoinPlan) -> list[str]:
    """The chapters as third input, where only a part of the source is wanted."""
    if not _is_part(plan):
        return []
    lines = [";FFMETADATA1"]
    for chapter in _cut_chapters(plan):
        lines += ["[CHAPTER]", "TIMEBASE=1/1000000"]
        lines += [f"START={_micros(chapter.start)}", f"END={_micros(chapter.end)}"]
        lines += [f"{_escaped(name)}={_escaped(text)}" for name, text in chapter.tags]
    (folder / _CHAPTERS).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return ["-f", "ffmetadata", "-i", _CHAPTERS]


def _is_part(plan: JoinPlan) -> bool:
    return plan.start is not None or plan.end is not None


def _cut_chapters(plan: JoinPlan) -> list[Chapter]:
    """Those of the wanted part, by the result's clock."""
    start = plan.start if plan.start is not None else plan.origin
    found = []
    for chapter in plan.info.chapters:
        begin, end = max(chapter.start, start), chapter.end
        if plan.end is not None:
            end = min(end, plan.end)
        if begin < end:
            found.append(Chapter(begin - plan.origin, end - plan.origin, chapter.tags))
    return found


def _micros(seconds: Fraction) -> int:
    return round(seconds * 1_000_000)


def _escaped(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", text)


def stream_arguments(plan: JoinPlan, *, has_source: bool) -> list[str]:
    """Which streams are mapped, how they are cut and converted, and what they are called."""
    if not has_source:
        return ["-map_metadata", "-1"]
    chapters = "2" if _is_part(plan) else "1"
    arguments = ["-map_metadata", "1", "-map_chapters", chapters]
    for name in _OF_ITS_CONTAINER:
        arguments += ["-metadata", f"{name}="]
    # The track's own tags stay those of the pieces: one of them says that there is alpha.
    arguments += ["-map_metadata:s:v:0", "0:s:v:0"]
    for name, text in plan.info.tags:
        known = _language(plan, text) if name == "language" else text
        arguments += ["-metadata:s:v:0", f"{name}={known}"]
    if plan.info.timecode:
        arguments += ["-metadata", "timecode="]
        arguments += ["-metadata:s:v:0", f"timecode={plan.info.timecode}"]
    for number, stream in enumerate(_kept(plan, "audio")):
        arguments += _sound(plan, stream, number)
    for number, stream in enumerate(_kept(plan, "subtitle")):
        arguments += _subtitles(plan, stream, number)
    for number, stream in enumerate(_kept(plan, "attachment")):
        arguments += [*_mapped(plan, stream, f"t:{number}"), f"-c:t:{number}", "copy"]
    return arguments


def _kept(plan: JoinPlan, kind: str) -> list[OtherStream]:
    streams = [stream for stream in plan.info.others if stream.kind == kind]
    return [stream for stream in streams if _codec(stream, plan.container)]


def _codec(stream: OtherStream, container: Container) -> tuple[str, ...]:
    """How a stream is taken over; () where it is not."""
    if stream.kind == "audio":
        copied = stream.codec in container.audio
        return ("copy",) if copied and container.audio_codec else container.audio_codec
    if stream.kind == "subtitle":
        if stream.codec in container.subtitles:
            return ("copy",)
        converts = stream.codec in container.converted_subtitles
        return (container.subtitle_codec,) if converts else ()
    return ("copy",) if stream.kind == "attachment" and container.attachments else ()


def _mapped(plan: JoinPlan, stream: OtherStream, place: str) -> list[str]:
    """A stream with its tags: as some are mapped, ffmpeg copies no others by itself."""
    tags = [f"-map_metadata:s:{place}", f"1:s:{stream.index}"]
    if stream.language:
        tags += [f"-metadata:s:{place}", f"language={_language(plan, stream.language)}"]
    return ["-map", f"1:{stream.index}", *tags]


def _language(plan: JoinPlan, code: str) -> str:
    return _QUICKTIME.get(code, code) if plan.container.name == "mov" else code


def _sound(plan: JoinPlan, stream: OtherStream, number: int) -> list[str]:
    codec = _codec(stream, plan.container)
    arguments = [*_mapped(plan, stream, f"a:{number}"), f"-c:a:{number}", *codec]
    if not _is_part(plan):
        return arguments
    if codec == ("copy",):
        tests = []
        if plan.start is not None:
            # Matroska says of a whole track how much of it a decoder leaves out at the beginning.
            early = stream.early if plan.container.muxer in ("matroska", "webm") else 0
            tests.append(f"lt(pts*tb,{seconds_text(plan.start - early)})")
        tests += [f"gte(pts*tb,{seconds_text(plan.end)})"] if plan.end is not None else []
        return [*arguments, f"-bsf:a:{number}", f"noise=drop='{'+'.join(tests)}'"]
    limits = [f"start={seconds_text(plan.start)}"] if plan.start is not None else []
    limits += [f"end={seconds_text(plan.end)}"] if plan.end is not None else []
    return [*arguments, f"-filter:a:{number}", "atrim=" + ":".join(limits)]


def _subtitles(plan: JoinPlan, stream: OtherStream, number: int) -> list[str]:
    """Those that show in the wanted part, for as long as they do."""
    arguments = [*_mapped(plan, stream, f"s:{number}"), f"-c:s:{number}"]
    arguments += _codec(stream, plan.container)
    if not _is_part(plan):
        return arguments
    tests, first, last = [], "PTS", "PTS+DURATION"
    if plan.start is not None:
        start = seconds_text(plan.start)
        tests.append(f"lte((pts+duration)*tb,{start})")
        first = f"max(PTS,{start}/TB)"
    if plan.end is not None:
        end = seconds_text(plan.end)
        tests.append(f"gte(pts*tb,{end})")
        last = f"min(PTS+DURATION,{end}/TB)"
    drop = f"noise=drop='{'+'.join(tests)}'"
    shift = f"setts=pts='{first}':dts='{first}':duration='{last}-{first}'"
    return [*arguments, f"-bsf:s:{number}", f"{drop},{shift}"]


def stream_notes(info: ClipInfo, container: Container) -> list[str]:
    """What of the source's other streams is converted or left out, for people."""
    notes = [_note(stream, container) for stream in info.others if stream.kind != "data"]
    # Timecode and chapters lie in streams of their own in .mov; they are kept as what they are.
    told = bool(info.timecode) + bool(info.chapters)
    if sum(stream.kind == "data" for stream in info.others) > told:
        notes.append("a stream of data is left out")
    return [note for note in dict.fromkeys(notes) if note]


def _note(stream: OtherStream, container: Container) -> str:
    codec = _codec(stream, container)
    if stream.kind == "video":
        return f"a further picture stream ({stream.codec}) is left out"
    if stream.kind == "audio" and not codec:
        return f"a .{container.name} holds no sound; it is left out"
    if stream.kind == "audio" and codec != ("copy",):
        converted = codec[0].removeprefix("lib")
        return f"sound ({stream.codec}) converted to {converted}, as .{container.name} demands"
    if stream.kind == "subtitle" and not codec:
        return f"subtitles ({stream.codec}) left out: .{container.name} holds none"
    if stream.kind == "attachment" and not codec:
        return f"an attachment is left out: .{container.name} holds none"
    return ""
