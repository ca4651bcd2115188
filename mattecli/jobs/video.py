"""The job behind ``mattecli video``: clips in, clips with alpha out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace

from mattecli.engine.estimator import Estimator
from mattecli.engine.pipeline import Stage
from mattecli.errors import MattecliError
from mattecli.jobs.choice import choose_spec
from mattecli.jobs.crew import Crew, Workbench, require_crew
from mattecli.jobs.dry_run import require_models
from mattecli.jobs.limits import require_place
from mattecli.jobs.opening import OpenedModels, open_models
from mattecli.jobs.plan import files_read, goes_to_one_place
from mattecli.jobs.runner import Work, each, run_recipe, worker_count
from mattecli.jobs.turns import run_in_turn
from mattecli.jobs.unused import unused_in_video
from mattecli.jobs.video_bounds import VideoBounds
from mattecli.jobs.video_checks import check_options, check_tasks
from mattecli.jobs.video_journal import open_video_journal
from mattecli.jobs.video_parts import InParts
from mattecli.jobs.video_plan import VideoTask, names_a_video, plan_videos
from mattecli.jobs.video_run import VideoRun
from mattecli.jobs.video_sources import Footage
from mattecli.jobs.video_span import parse_span
from mattecli.jobs.video_steps import FrameSteps, as_matte_options
from mattecli.jobs.video_stored import by_way_of_here, refuse_unstorable
from mattecli.jobs.video_targets import Targets, open_targets
from mattecli.jobs.video_watch import Progress, SilentVideo, VideoObserver
from mattecli.jobs.work import as_settings
from mattecli.jobs.workspace import Workspace
from mattecli.records import ItemRecord, Report
from mattecli.settings.video import VideoKind, VideoOptions

__all__ = ["Progress", "SilentVideo", "VideoObserver", "matte_videos"]

_MOST_WORKERS = 8


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
    options = replace(options, pixels=replace(options.pixels, write=_kinds(options)))
    check_options(options)
    if remark := unused_in_video(options):
        observer.note(remark)
    tasks = _plan(options, observer)
    # A journal tells models apart by their weights; of a caller's own estimator it knows nothing.
    journal = open_video_journal(options) if estimator is None else None
    if journal is not None:
        tasks = journal.applied(tasks, options.target)
    if options.run.dry_run:
        if estimator is None:
            spec = choose_spec(options.model, options.device)
            require_models(spec, as_matte_options(options))
        return run_in_turn(Work(tasks=tasks, stages=()), options.run, observer, _never)
    settings = {
        "options": asdict(options.pixels),
        "finish": asdict(options.finish),
        "model_options": as_settings(options.model),
    }
    read = files_read(options.source, options.model.weights, options.pixels.fill)
    work = Work(tasks=tasks, stages=(), settings=settings, journal=journal, read=read)
    if crew is not None:
        return _run_elsewhere(work, options, observer, crew)
    return _run_here(work, options, observer, estimator)


def _kinds(options: VideoOptions) -> tuple[VideoKind, ...]:
    """What to write when the user does not say: a composite, too, where a background is named."""
    if options.pixels.write or options.pixels.background_fill is None:
        return options.pixels.write or ("foreground",)
    if goes_to_one_place(options.source, options.target.output, names_a_video):
        return ("composite",)
    return ("foreground", "composite")


def _plan(options: VideoOptions, observer: VideoObserver) -> list[VideoTask]:
    tasks = plan_videos(options, observer.note)
    check_tasks(tasks, options)
    refuse_unstorable(tasks, options)
    return tasks


def _run_elsewhere(
    work: Work[VideoTask], options: VideoOptions, observer: VideoObserver, crew: Crew
) -> Report:
    name = options.model.model or choose_spec(options.model, options.device).name
    work = replace(work, remark="" if options.model.model else f"model: {name}")
    named = replace(options, model=replace(options.model, model=name))
    crew_of_parts = InParts(crew, named, observer.note)
    return run_recipe(VideoRecipe(named), work, options.run, observer, crew_of_parts)


def _run_here(
    work: Work[VideoTask],
    options: VideoOptions,
    observer: VideoObserver,
    estimator: Estimator | None,
) -> Report:
    with Workspace(options.device.max_memory) as workspace:
        models = _opened(options, workspace, estimator)
        facts = models.facts
        if options.model.model is None and estimator is None:
            observer.note(f"model: {facts['model']}")
        observer.note(", ".join(f"{key} {value}" for key, value in facts.items()), detail=True)
        job = _Job(options, observer, models)
        work = replace(work, settings={**facts, **work.settings})
        return run_in_turn(work, options.run, observer, by_way_of_here(job.do))


@dataclass(frozen=True, slots=True)
class VideoRecipe:
    """How videos, or parts of them, are matted elsewhere; the model is named."""

    options: VideoOptions

    @contextmanager
    def open(self, workers: int, waiting: Sequence[VideoTask]) -> Iterator[Workbench[VideoTask]]:
        """As ``WorkRecipe.open``."""
        options = replace(self.options, run=replace(self.options.run, workers=workers))
        with Workspace(options.device.max_memory) as workspace:
            models = _opened(options, workspace)
            do = by_way_of_here(_Job(options, SilentVideo(), models).do)

            def settle(task: VideoTask) -> None:
                task.settled = do(task)

            yield Workbench(stages=[Stage(name="video", work=each(settle))], facts=models.facts)


def _opened(
    options: VideoOptions, workspace: Workspace, estimator: Estimator | None = None
) -> OpenedModels:
    """What frames go through: the options' models, or a caller's own estimator."""
    if estimator is not None:
        return OpenedModels(estimator=estimator)
    stills = as_matte_options(options)
    spec = choose_spec(options.model, options.device)
    return open_models(spec, stills, workspace, worker_count(options.run))


def _never(_task: VideoTask) -> ItemRecord:
    raise AssertionError("a dry run does nothing")


class _Job:
    """Does one video after the other."""

    def __init__(
        self, options: VideoOptions, observer: VideoObserver, models: OpenedModels
    ) -> None:
        self._options = options
        self._observer = observer
        self._models = models
        # More would hold more frames, and wait for the one decoder.
        self._workers = options.run.workers or min(worker_count(options.run), _MOST_WORKERS)

    def do(self, task: VideoTask) -> ItemRecord:
        """One video, to its end."""
        require_place(task)
        with ExitStack() as stack:
            footage = Footage.open(task.source, self._options)
            stack.callback(footage.close)
            task.size = footage.info.size
            bounds = VideoBounds(self._options)
            bounds.check_before(task, footage.info.frames)
            span = parse_span(self._options.clip, footage)
            targets = open_targets(task, footage, span, self._models.facts, self._options)
            task.notes += targets.notes if task.part is None else []
            if self._options.clip.fps is not None and footage.clip is not None:
                own = "" if footage.info.is_timeless else ": it keeps its own rate"
                task.notes.append(f"--fps is for numbered images{own}")
            run = VideoRun(task, footage, span, targets, self._options, bounds)
            steps = FrameSteps(
                self._models.estimator,
                self._models.guide,
                _for_frames(self._options, task),
                self._workers,
                self._models.refiner,
            )
            try:
                return run.through(steps, self._observer, stack)
            except KeyboardInterrupt:
                self._stop(task, targets)
                raise
            except BaseException as error:
                _abandon(task, targets)
                if isinstance(error, MattecliError) and not task.can_resume:
                    error.remedy = _without_resume(error.remedy)
                raise

    def _stop(self, task: VideoTask, targets: Targets) -> None:
        """An interrupt: end the outputs in good order, and say what is left of them."""
        for left in [output.stop() for output in targets.outputs.values()]:
            if left and not task.is_staged:
                then = "; --resume goes on" if task.can_resume else ""
                self._observer.note(f"interrupted: {left}{then}")


def _abandon(task: VideoTask, targets: Targets) -> None:
    """A failure: end the outputs at once, and note what another run can use."""
    for output in targets.outputs.values():
        output.abandon()
        if output.left:
            task.notes.append(f"{output.left} for --resume")


def _for_frames(options: VideoOptions, task: VideoTask) -> VideoOptions:
    """The options; OpenEXR multiplies with alpha by itself, which shall not be done twice."""
    if task.formats.get("foreground") != "exr":
        return options
    return replace(options, pixels=replace(options.pixels, premultiply=False))


def _without_resume(remedy: str) -> str:
    """The remedy where another run cannot go on: who raises it deep in media does not know that."""
    return remedy.replace(" with --resume", "").replace(" without --resume", "")
