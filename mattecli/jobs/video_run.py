"""One video on its way: decoded, worked on, written, told about."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace

from mattecli.errors import VideoReadError
from mattecli.jobs.trimap import trimap_options
from mattecli.jobs.video_backdrop import Backdrop, open_backdrop
from mattecli.jobs.video_bounds import VideoBounds
from mattecli.jobs.video_frames import FrameItem, FrameSource, ResumePoint, Tracks
from mattecli.jobs.video_plan import Earlier, VideoTask
from mattecli.jobs.video_sources import Footage, Reader, Track, companion_path
from mattecli.jobs.video_steps import FrameSteps
from mattecli.jobs.video_targets import Targets
from mattecli.jobs.video_watch import Progress, VideoObserver
from mattecli.media.video.records import Frame, Span
from mattecli.media.video.sequence import SequenceReader
from mattecli.records import ItemRecord
from mattecli.settings.video import VideoOptions

__all__ = ["VideoRun", "total_seconds"]

_TOLD_EVERY = 0.2  # seconds


class VideoRun:
    """One video on its way through the steps."""

    def __init__(
        self,
        task: VideoTask,
        footage: Footage,
        span: Span,
        targets: Targets,
        options: VideoOptions,
        bounds: VideoBounds,
    ) -> None:
        self._task = task
        self._footage = footage
        self._span = span
        self._targets = targets
        self._options = options
        self._bounds = bounds
        self._begin = self._told = time.perf_counter()
        self._written = 0

    def through(self, steps: FrameSteps, observer: VideoObserver, stack: ExitStack) -> ItemRecord:
        """All frames, then the record."""
        point = self._targets.point
        reader = self._footage.reader(self._span_from(point))
        frames = iter(reader)
        stack.callback(frames.close)
        source = self._source(frames, point, stack)
        with closing(steps.run(source)) as finished:
            for item in finished:
                number = point.done + self._written + 1
                self._bounds.check_frame(self._task, number, self._begin)
                self._write(item)
                self._tell(observer, steps, reader)
        if self._task.part is None:
            self._require_frames()
        elif reader.damage.is_any:  # only a run over all of it can tell truly
            raise VideoReadError("it is damaged", path=self._task.source.path)
        outputs = self._targets.outputs.values()
        for output in outputs:
            output.finish(source.ended_at)
        for output in outputs:
            output.release()
            self._task.notes += output.notes
        self._tell(observer, steps, reader, now=True)
        return self._record(reader, source, steps)

    def _require_frames(self) -> None:
        if self._written or self._targets.point.done or self._span.start is None:
            return
        raise VideoReadError(
            f"it ends before --start {self._options.clip.start}",
            path=self._task.source.path,
            remedy="begin earlier",
        )

    def _span_from(self, point: ResumePoint) -> Span:
        if not point.context:
            return self._span
        return replace(self._span, start=point.context[0])

    def _source(self, frames: Iterator[Frame], point: ResumePoint, stack: ExitStack) -> FrameSource:
        tracks = self._tracks(point)
        stack.callback(tracks.close)
        backdrop: Backdrop | None = None
        if "composite" in self._options.pixels.write:
            backdrop = open_backdrop(self._options, self._footage.info)
            stack.callback(backdrop.close)
        return FrameSource(
            self._footage,
            frames,
            tracks,
            backdrop,
            point,
            align=self._options.model.align,
        )

    def _tracks(self, point: ResumePoint) -> Tracks:
        model, source = self._options.model, self._task.source
        skip = point.skipped + point.first
        tracks = Tracks(shape=trimap_options(self._options.shape))
        if model.trimap not in (None, "auto"):
            path = companion_path(source, str(model.trimap), "trimap")
            tracks.trimap = Track(path, "trimap", "grey", skip, self._footage)
        if model.mask is not None:
            path = companion_path(source, model.mask, "mask")
            tracks.subject = Track(path, "mask", "grey", skip, self._footage)
        if model.segmentation is not None:
            path = companion_path(source, model.segmentation, "segmentation")
            tracks.mask = Track(path, "segmentation", "grey", skip, self._footage)
        if model.background is not None:
            path = companion_path(source, model.background, "background")
            tracks.plate = Track(path, "background", "rgb", skip, self._footage)
        return tracks

    def _write(self, item: FrameItem) -> None:
        if not self._written:
            self._task.show("video", item.color)
            for kind, image in item.images.items():
                self._task.show(kind, image)
        for kind, output in self._targets.outputs.items():
            output.write(item.stamp, item.images[kind])
        self._written += 1

    def _tell(
        self, observer: VideoObserver, steps: FrameSteps, reader: Reader, *, now: bool = False
    ) -> None:
        moment = time.perf_counter()
        if moment - self._told < _TOLD_EVERY and not now:
            return
        self._told = moment
        seconds = self._seconds(steps, reader)
        point = self._targets.point
        rates = {name: self._written / value for name, value in seconds.items() if value > 0}
        observer.frames(
            Progress(
                source=self._task.shown,
                done=point.done + self._written,
                total=self._footage.info.expected if self._span.is_all else None,
                resumed=point.done,
                seconds=moment - self._begin,
                stages=rates,
            )
        )

    def _seconds(self, steps: FrameSteps, reader: Reader) -> dict[str, float]:
        encode = sum(output.seconds for output in self._targets.outputs.values())
        return {"decode": reader.seconds, **steps.seconds, "encode": encode}

    def _record(self, reader: Reader, source: FrameSource, steps: FrameSteps) -> ItemRecord:
        task, damage = self._task, reader.damage
        earlier = task.earlier or Earlier((), {})
        task.notes += dict.fromkeys((*earlier.notes, *source.notes, *steps.notes))
        frames = self._targets.point.done + self._written
        if isinstance(reader, SequenceReader) and reader.gaps:
            task.notes.append(reader.gaps)
        if source.repeated:
            task.notes.append(
                f"{_frames(source.repeated)} could not be decoded and repeat the one before"
                f" ({damage.words})"
            )
        if damage.untimely:
            task.notes.append(f"{_frames(damage.untimely)} came too late: left out")
        if damage.errors and not damage.is_cut_off and not source.repeated:
            task.notes.append(f"it is damaged, and mended by the decoder ({damage.words})")
        seconds = total_seconds((earlier.seconds, self._seconds(steps, reader)))
        record = replace(task.record("done"), seconds=seconds)
        if not damage.is_cut_off:
            return record
        claimed = self._footage.info.frames
        of = f" of {claimed}" if claimed else ""
        error = VideoReadError(
            f"it ends early; its {_frames(frames)}{of} are written",
            path=task.source.path,
            remedy="get the whole file and run it again",
        )
        return replace(record, status="failed", error=str(error), trouble=error)


def total_seconds(runs: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Seconds by stage, of all runs together."""
    total: Counter[str] = Counter()
    for seconds in runs:
        total.update(seconds)
    return dict(total)


def _frames(count: int) -> str:
    return f"{count} frame{'s' if count != 1 else ''}"
