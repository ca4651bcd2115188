"""The job behind ``mattecli video``: clips in, clips with alpha out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Protocol

from mattecli.engine.estimator import Estimator
from mattecli.engine.pipeline import Stage
from mattecli.errors import UsageError, VideoReadError
from mattecli.jobs.choice import choose_spec, make_guide, make_model, needs_guide
from mattecli.jobs.crew import Bench, Crew, require_crew
from mattecli.jobs.refining import Refiner, make_refiner
from mattecli.jobs.runner import Observer, Silent, Work, each, run_recipe, worker_count
from mattecli.jobs.turns import run_in_turn
from mattecli.jobs.video_backdrop import Backdrop, open_backdrop
from mattecli.jobs.video_bounds import VideoBounds
from mattecli.jobs.video_frames import FrameItem, FrameSource, ResumePoint, Tracks
from mattecli.jobs.video_plan import VideoTask, plan_videos
from mattecli.jobs.video_sources import Footage, Reader, Track, companion_path
from mattecli.jobs.video_span import parse_span
from mattecli.jobs.video_steps import FrameSteps, as_matte_options
from mattecli.jobs.video_stored import by_way_of_here, refuse_unstorable
from mattecli.jobs.video_targets import Targets, open_targets
from mattecli.jobs.workspace import Workspace
from mattecli.media.video.records import Frame, Span
from mattecli.records import ItemRecord, Report
from mattecli.settings.video import VideoOptions

__all__ = ["Progress", "SilentVideo", "VideoObserver", "matte_videos"]

_TOLD_EVERY = 0.2  # seconds
_MOST_WORKERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a video is.

    Attributes:
        source: its name.
        done: frames written, those of an earlier run included.
        total: frames that are expected, or None.
        resumed: frames of an earlier run.
        seconds: since this run began with it.
        stages: frames a second that each stage has managed while it worked.
    """

    source: str
    done: int
    total: int | None
    resumed: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)


class VideoObserver(Observer, Protocol):
    """Who watches a run over videos."""

    def frames(self, progress: Progress) -> None:
        """A video has got on; called a few times a second."""


class SilentVideo(Silent):
    """An observer that says nothing."""

    def frames(self, progress: Progress) -> None:
        """Nothing."""


def matte_videos(
    options: VideoOptions,
    observer: VideoObserver | None = None,
    *,
    estimator: Estimator | None = None,
    crew: Crew | None = None,
) -> Report:
    """Estimate the alpha of every frame of videos, and write it, cut-outs or composites.

    Args:
        options: inputs, outputs, model and so on.
        observer: is told of each video's progress and end.
        estimator: used in place of the model that the options name.
        crew: does the work elsewhere; nothing is told of a video before it has ended.

    Raises:
        UsageError: the options make no sense together, or nothing was given.
        ModelUnavailableError: there are no weights for the model.
    """
    observer = observer or SilentVideo()
    require_crew(options.engine, crew)
    _check_numbers(options)
    tasks = plan_videos(options)
    refuse_unstorable(tasks, options)
    if options.run.dry_run:
        return run_in_turn(Work(tasks=tasks, stages=()), options.run, observer, _never)
    settings = {"options": asdict(options.pixels)}
    work = Work(tasks=tasks, stages=(), settings=settings)
    if crew is not None:
        name = options.model.model or choose_spec(options.model, options.device).name
        named = replace(options, model=replace(options.model, model=name))
        return run_recipe(VideoRecipe(named), work, options.run, observer, crew)
    with Workspace(options.device.max_memory) as workspace:
        facts, models = _opened(options, workspace, estimator)
        if options.model.model is None and estimator is None:
            observer.note(f"model: {facts['model']}")
        observer.note(", ".join(f"{key} {value}" for key, value in facts.items()), detail=True)
        job = _Job(options, observer, models, facts)
        work = replace(work, settings={**facts, **settings})
        return run_in_turn(work, options.run, observer, by_way_of_here(job.do))


@dataclass(frozen=True, slots=True)
class VideoRecipe:
    """How videos are matted elsewhere, each as a whole; the model is named."""

    options: VideoOptions

    @contextmanager
    def open(self, workers: int, waiting: int) -> Iterator[Bench[VideoTask]]:
        """As ``Recipe.open``."""
        options = replace(self.options, run=replace(self.options.run, workers=workers))
        with Workspace(options.device.max_memory) as workspace:
            facts, models = _opened(options, workspace)
            do = by_way_of_here(_Job(options, SilentVideo(), models, facts).do)

            def settle(task: VideoTask) -> None:
                task.settled = do(task)

            yield Bench(stages=[Stage(name="video", work=each(settle))], facts=facts)


def _opened(
    options: VideoOptions, workspace: Workspace, estimator: Estimator | None = None
) -> tuple[dict[str, object], _Models]:
    """What frames go through, and what a report says of it."""
    if estimator is not None:
        return {}, _Models(estimator, None, None)
    stills = as_matte_options(options)
    spec = choose_spec(options.model, options.device)
    chosen = make_model(spec, stills, workspace, worker_count(options.run))
    chosen.facts["refine"] = stills.model.refine
    guide = make_guide(stills) if needs_guide(spec, options.model) else None
    refiner = make_refiner(spec, stills, workspace)
    return chosen.facts, _Models(chosen.estimator, guide, refiner)


def _check_numbers(options: VideoOptions) -> None:
    clip = options.clip
    VideoBounds(options)
    if not 1 <= clip.piece_frames <= 100_000:
        raise UsageError(f"--piece-frames {clip.piece_frames} makes no sense", remedy="try 250")
    if not clip.stall_timeout > 0:
        raise UsageError("--stall-timeout must be positive", remedy="try 60")
    if options.target.crf is not None and not 0 <= options.target.crf <= 63:
        raise UsageError(f"--crf {options.target.crf} makes no sense", remedy="give 0 to 63")


def _never(_task: VideoTask) -> ItemRecord:
    raise AssertionError("a dry run does nothing")


@dataclass(frozen=True, slots=True)
class _Models:
    """What frames go through."""

    estimator: Estimator
    guide: Estimator | None
    refiner: Refiner | None


class _Job:
    """Does one video after the other."""

    def __init__(
        self,
        options: VideoOptions,
        observer: VideoObserver,
        models: _Models,
        facts: dict[str, object],
    ) -> None:
        self._options = options
        self._observer = observer
        self._models = models
        self._facts = facts
        # More would hold more frames, and wait for the one decoder.
        self._workers = options.run.workers or min(worker_count(options.run), _MOST_WORKERS)

    def do(self, task: VideoTask) -> ItemRecord:
        """One video, to its end."""
        with ExitStack() as stack:
            footage = Footage.open(task.source, self._options)
            stack.callback(footage.close)
            task.size = footage.info.size
            VideoBounds(self._options).check(task, footage.info.frames or 0, time.perf_counter())
            span = parse_span(self._options.clip, footage)
            targets = open_targets(task, footage, span, self._facts, self._options)
            task.notes += targets.notes
            run = _Run(task, footage, span, targets, self._options)
            steps = FrameSteps(
                self._models.estimator,
                self._models.guide,
                self._options,
                self._workers,
                self._models.refiner,
            )
            try:
                return run.through(steps, self._observer, stack)
            except KeyboardInterrupt:
                for left in [output.stop() for output in targets.outputs.values()]:
                    if left and not task.is_staged:
                        self._observer.note(f"interrupted: {left}; --resume goes on")
                raise
            except BaseException:
                for output in targets.outputs.values():
                    output.abandon()
                raise


class _Run:
    """One video on its way through the steps."""

    def __init__(
        self,
        task: VideoTask,
        footage: Footage,
        span: Span,
        targets: Targets,
        options: VideoOptions,
    ) -> None:
        self._task = task
        self._footage = footage
        self._span = span
        self._targets = targets
        self._options = options
        self._begin = self._told = time.perf_counter()
        self._written = 0

    def through(self, steps: FrameSteps, observer: VideoObserver, stack: ExitStack) -> ItemRecord:
        """All frames, then the record."""
        bounds = VideoBounds(self._options)
        point = self._targets.point
        reader = self._footage.reader(self._span_from(point))
        frames = iter(reader)
        stack.callback(frames.close)
        source = self._source(frames, point, stack)
        with closing(steps.run(source)) as finished:
            for item in finished:
                bounds.check(self._task, self._targets.point.done + self._written + 1, self._begin)
                self._write(item)
                self._tell(observer, steps, reader)
        for output in self._targets.outputs.values():
            output.finish()
        self._tell(observer, steps, reader, now=True)
        return self._record(reader, source, steps)

    def _span_from(self, point: ResumePoint) -> Span:
        if not point.context:
            return self._span
        return replace(self._span, start=point.context[0])

    def _source(self, frames: Iterator[Frame], point: ResumePoint, stack: ExitStack) -> FrameSource:
        tracks = self._tracks(point)
        stack.callback(tracks.close)
        backdrop: Backdrop | None = None
        if "composite" in self._options.pixels.write:
            backdrop = open_backdrop(self._options, self._footage.info.size)
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
        tracks = Tracks()
        if model.trimap not in (None, "auto"):
            path = companion_path(source, str(model.trimap), "trimap")
            tracks.trimap = Track(path, "trimap", "grey", skip, self._options)
        if model.segmentation is not None:
            path = companion_path(source, model.segmentation, "segmentation")
            tracks.mask = Track(path, "segmentation", "grey", skip, self._options)
        if model.background is not None:
            path = companion_path(source, model.background, "background")
            tracks.plate = Track(path, "background", "rgb", skip, self._options)
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
        task.notes += source.notes
        frames = self._targets.point.done + self._written
        if source.repeated:
            task.notes.append(
                f"{_frames(source.repeated)} could not be decoded and repeat the one before"
            )
        elif damage.errors and not damage.is_cut_off:
            task.notes.append(f"it is damaged, and mended by the decoder ({damage.words})")
        record = replace(task.record("done"), seconds=self._seconds(steps, reader))
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


def _frames(count: int) -> str:
    return f"{count} frame{'s' if count != 1 else ''}"
