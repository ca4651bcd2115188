"""Opens the outputs of a video, and finds where an earlier run of them ended."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from mattecli.errors import VideoReadError
from mattecli.jobs.video_codecs import CONTENT, MUXERS, codecs_of
from mattecli.jobs.video_fingerprint import fingerprint_of
from mattecli.jobs.video_frames import ResumePoint
from mattecli.jobs.video_plan import Part, VideoTask
from mattecli.jobs.video_sources import Footage, is_moving
from mattecli.jobs.video_steady import smoothing_radius
from mattecli.media.formats import writable_format
from mattecli.media.stores.place import as_path
from mattecli.media.video.animation import animation_notes
from mattecli.media.video.containers import CONTAINERS, Codec
from mattecli.media.video.encode import EncoderPlan
from mattecli.media.video.file_output import FileOutput, PartOutput
from mattecli.media.video.join_plan import JoinPlan
from mattecli.media.video.numbered import ExrOutput, ImageOutput
from mattecli.media.video.other_streams import stream_notes
from mattecli.media.video.outputs import MOST_CONTEXT, Output, StreamOutput
from mattecli.media.video.records import ClipInfo, Span
from mattecli.media.video.timecode import advanced
from mattecli.media.video.workfolder import WorkFolder
from mattecli.settings.video import VideoOptions

__all__ = ["Targets", "open_targets"]

_FLOATS = {"rgba": "gbrapf32le", "rgb": "gbrpf32le", "grey": "grayf32le"}


@dataclass(slots=True)
class Targets:
    """The outputs of one video.

    Attributes:
        outputs: by kind.
        point: where the run begins.
        notes: what the user should know.
    """

    outputs: dict[str, Output]
    point: ResumePoint
    notes: list[str]


def open_targets(
    task: VideoTask,
    footage: Footage,
    span: Span,
    facts: Mapping[str, object],
    options: VideoOptions,
) -> Targets:
    """Make the work folders and find out what is done already.

    Raises:
        UsageError: a container cannot hold what is to be written.
        VideoWriteError: a folder cannot be made.
    """
    info = footage.info
    codecs = codecs_of(task, info, options)
    folders = _folders(task, fingerprint_of(task, footage, span, facts, options), options)
    notes = _source_notes(info, codecs)
    if any(folder.was_other for folder in folders.values()):
        notes.append("what an earlier run left was made otherwise; begun anew")
    try:
        if task.part is None:
            point = _resume_point(folders, footage, span, options)
        else:
            point = _part_point(folders, footage, task.part, options)
        plans = _Plans(footage, span, point, options)
        outputs = {kind: _output(task, kind, folders, codecs, plans) for kind in task.formats}
    except BaseException:
        for folder in folders.values():
            folder.close()
        raise
    for kind, name in task.formats.items():
        if kind in folders:
            notes += plans.notes(name, kind) if name in CONTAINERS else _image_notes(name, kind)
    return Targets(outputs, point, list(dict.fromkeys(notes)))


def _output(
    task: VideoTask,
    kind: str,
    folders: Mapping[str, WorkFolder],
    codecs: Mapping[str, Codec],
    plans: _Plans,
) -> Output:
    """The output of one kind: to a stream, a file, a part of one, or numbered images."""
    name = task.formats[kind]
    if kind not in folders:
        return StreamOutput(plans.encoding(codecs[kind], MUXERS[name], False))
    if name not in CONTAINERS:
        return _images(folders[kind], name, plans, kind)
    container = CONTAINERS[name]
    encoding = plans.encoding(codecs[kind], container.segment[0], container.turns)
    file = FileOutput if task.part is None else PartOutput
    return file(folders[kind], encoding, plans.joining(name, CONTENT[kind]))


def _folders(task: VideoTask, fingerprint: str, options: VideoOptions) -> dict[str, WorkFolder]:
    """The work folders of outputs that are files, with what parts have left for them."""
    folders = {
        kind: WorkFolder(
            path,
            fingerprint,
            resume=options.target.resume,
            piece_frames=options.clip.piece_frames,
            keeps=task.can_resume,
            part=None if task.part is None else task.part.first,
        )
        for kind, path in task.outputs.items()
        if path is not None
    }
    if task.earlier is not None or (options.target.resume and task.part is None):
        for folder in folders.values():
            folder.adopt()
    return folders


def _images(folder: WorkFolder, name: str, plans: _Plans, kind: str) -> Output:
    """Numbered images of one kind."""
    own = ("exr", "-format", "half", "-compression", "zip16")
    codec = Codec(name="exr", arguments=own, pixels=_FLOATS[CONTENT[kind]])
    plan = plans.encoding(codec, "image2", False)
    if writable_format(name).name == "exr":
        return ExrOutput(folder, plan)
    return ImageOutput(folder, plan, name, is_associated=plans.is_associated)


_DEEP = re.compile(r"(?:10|12|16|32|48|64)(?:le|be)$")  # ffmpeg's pixel formats above 8 bits


class _Plans:
    """How a clip's outputs are encoded and joined."""

    def __init__(
        self, footage: Footage, span: Span, point: ResumePoint, options: VideoOptions
    ) -> None:
        self._info = footage.info
        self._clip = footage.clip
        self._joined = footage.info if footage.clip is None else footage.clip.joined_info
        self._span = span
        self._point = point
        self._patience = options.clip.stall_timeout
        self.is_associated = options.pixels.premultiply

    def encoding(self, codec: Codec, muxer: str, turns: bool) -> EncoderPlan:
        """Of one kind."""
        return EncoderPlan(
            info=self._info,
            codec=codec,
            muxer=muxer,
            turn_back=turns and not self._info.is_flipped,
            origin=self._point.origin,
            patience=self._patience,
        )

    def joining(self, name: str, content: str) -> JoinPlan:
        """Of one kind, into the container of that name."""
        container, info, span = CONTAINERS[name], self._info, self._span
        turns = container.turns and not info.is_flipped
        late = 0 if span.start is None else _frames_until(span.start, info)
        return JoinPlan(
            info=replace(self._joined, timecode=advanced(info.timecode, late, info.rate)),
            container=container,
            source=self._clip,
            start=None if span.start is None else self._point.origin * info.time_base,
            end=None if span.end is None else span.end * info.time_base,
            origin=self._point.origin * info.time_base,
            turn=info.rotation if turns else 0,
            has_alpha=content == "rgba",
            patience=self._patience,
        )

    def notes(self, name: str, kind: str) -> list[str]:
        """What the container of that name cannot keep, for people."""
        container, joining = CONTAINERS[name], self.joining(name, CONTENT[kind])
        notes = [*stream_notes(self._joined, container), *animation_notes(joining)]
        if container.resolution and self._info.time_base.denominator > 1000:
            notes.append(f".{name} keeps times to {container.resolution} only")
        return notes


def _image_notes(name: str, kind: str) -> list[str]:
    """What editors may not expect of numbered images of that name, for people."""
    if writable_format(name).name != "exr":
        return []
    if kind == "foreground":
        return [
            "OpenEXR: colours are multiplied with alpha, and keep the video's curve, not linear"
        ]
    return ["OpenEXR: values keep the video's curve, not linear"]


def _frames_until(start: int, info: ClipInfo) -> int:
    """How many frames of a clip of constant rate come before a time, a tenth of one allowed."""
    begin = start * info.time_base - info.origin
    return max(0, math.ceil(begin * (info.rate or 1) - Fraction(1, 10)))


def _source_notes(info: ClipInfo, codecs: Mapping[str, Codec]) -> list[str]:
    """Notes on what of the source is treated otherwise than an editor may think."""
    notes = []
    if info.is_timeless:
        notes.append(f"it tells no times: {info.rate} images a second are taken")
    if info.has_alpha:
        notes.append("its own alpha is not looked at")
    if info.fields != "progressive":
        notes.append(
            "it is interlaced: both fields are cut out as one picture; edges get better if it is"
            " deinterlaced first"
        )
    coloured = [codec for kind, codec in codecs.items() if CONTENT[kind] != "grey"]
    if info.depth > 8 and not all(_DEEP.search(codec.pixels) for codec in coloured):
        notes.append(f"its {info.depth} bits are rounded to 8")
    if info.colour.transfer == "smpte2084" and coloured:
        notes.append("what its HDR metadata says of brightness is left out; its curve is kept")
    limited = [codec.name for codec in codecs.values() if codec.name in ("prores", "ffv1")]
    if info.is_yuv and info.colour.is_full_range and limited:
        notes.append(f"its full range is written as limited, since {limited[0]} knows no other")
    return notes


def _resume_point(
    folders: Mapping[str, WorkFolder], footage: Footage, span: Span, options: VideoOptions
) -> ResumePoint:
    """Where a run begins: at the wanted span's start, or where an earlier run ended."""
    info = footage.info
    origin = round(info.origin / info.time_base)
    skipped = 0
    if span.start is not None:
        origin = span.start
        if _has_tracks(options):
            skipped = footage.frames_before(span.start)
    return replace(_completed(folders), origin=origin, skipped=skipped)


def _has_tracks(options: VideoOptions) -> bool:
    """Whether a trimap, plate or mask goes frame by frame, so that frames have to be counted."""
    model = options.model
    given = (model.trimap, model.mask, model.background, model.segmentation)
    return any(text and text != "auto" and is_moving(as_path(text)) for text in given)


def _part_point(
    folders: Mapping[str, WorkFolder], footage: Footage, part: Part, options: VideoOptions
) -> ResumePoint:
    """Where a part begins, or where an earlier run of it ended."""
    info = footage.info
    point = _completed(folders)
    if not point.done and part.first:
        context = footage.times(max(part.first - MOST_CONTEXT, 0), part.first)
        if len(context) < min(part.first, MOST_CONTEXT):
            raise VideoReadError("it has no such frame", path=footage.path)
        point = replace(point, context=tuple(context))
    return replace(
        point,
        done=part.first + point.done,
        origin=round(info.origin / info.time_base),
        end=part.end,
        ahead=smoothing_radius(options.clip.smooth),
    )


def _completed(folders: Mapping[str, WorkFolder]) -> ResumePoint:
    """How far all outputs are complete; what single ones have beyond that is dropped."""
    complete = min((len(folder.pieces) for folder in folders.values()), default=0)
    for folder in folders.values():
        folder.keep(complete)
    if not complete:
        return ResumePoint()
    folder = next(iter(folders.values()))
    context = folder.pieces[-1].context
    return ResumePoint(
        done=folder.frames,
        context=tuple(pts for pts, _ in context),
        shots=tuple(shot for _, shot in context),
        screen=folder.pieces[-1].screen,
    )
