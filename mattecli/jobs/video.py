"""The job behind ``mattecli video``: clips in, clips with alpha out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace

from mattecli.engine.estimator import Estimator
from mattecli.engine.pipeline import Stage
from mattecli.errors import MattecliError
from mattecli.jobs.choice import choose_spec, make_guide, make_model, needs_guide
from mattecli.jobs.crew import Crew, Workbench, require_crew
from mattecli.jobs.limits import require_place
from mattecli.jobs.plan import files_read
from mattecli.jobs.refining import Refiner, make_refiner
from mattecli.jobs.runner import Work, each, run_recipe, worker_count
from mattecli.jobs.turns import run_in_turn
from mattecli.jobs.video_bounds import VideoBounds
from mattecli.jobs.video_checks import check_options, check_tasks
from mattecli.jobs.video_journal import open_video_journal
from mattecli.jobs.video_parts import InParts
from mattecli.jobs.video_plan import VideoTask, plan_videos
from mattecli.jobs.video_run import VideoRun
from mattecli.jobs.video_sources import Footage
from mattecli.jobs.video_span import parse_span
from mattecli.jobs.video_steps import FrameSteps, as_matte_options
from mattecli.jobs.video_stored import by_way_of_here, refuse_unstorable
from mattecli.jobs.video_targets import open_targets
from mattecli.jobs.video_watch import Progress, SilentVideo, VideoObserver
from mattecli.jobs.workspace import Workspace
from mattecli.records import ItemRecord, Report
from mattecli.settings.video import VideoOptions

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
    check_options(options)
    tasks = plan_videos(options)
    check_tasks(tasks, options)
    refuse_unstorable(tasks, options)
    journal = None
    if estimator is None:  # nothing else can be told of
        journal = open_video_journal(options)
    if journal is not None:
        tasks = journal.applied(tasks, options.target)
    if options.run.dry_run:
        return run_in_turn(Work(tasks=tasks, stages=()), options.run, observer, _never)
    settings = {"options": asdict(options.pixels)}
    read = files_read(options.source, options.model.weights, options.pixels.background_fill)
    work = Work(tasks=tasks, stages=(), settings=settings, journal=journal, read=read)
    if crew is not None:
        name = options.model.model or choose_spec(options.model, options.device).name
        work = replace(work, remark="" if options.model.model else f"model: {name}")
        named = replace(options, model=replace(options.model, model=name))
        crew_of_parts = InParts(crew, named, observer.note)
        return run_recipe(VideoRecipe(named), work, options.run, observer, crew_of_parts)
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
    """How videos, or parts of them, are matted elsewhere; the model is named."""

    options: VideoOptions

    @contextmanager
    def open(self, workers: int, waiting: Sequence[VideoTask]) -> Iterator[Workbench[VideoTask]]:
        """As ``WorkRecipe.open``."""
        options = replace(self.options, run=replace(self.options.run, workers=workers))
        with Workspace(options.device.max_memory) as workspace:
            facts, models = _opened(options, workspace)
            do = by_way_of_here(_Job(options, SilentVideo(), models, facts).do)

            def settle(task: VideoTask) -> None:
                task.settled = do(task)

            yield Workbench(stages=[Stage(name="video", work=each(settle))], facts=facts)


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
        require_place(task)
        with ExitStack() as stack:
            footage = Footage.open(task.source, self._options)
            stack.callback(footage.close)
            task.size = footage.info.size
            bounds = VideoBounds(self._options)
            bounds.check_before(task, footage.info.frames)
            span = parse_span(self._options.clip, footage)
            targets = open_targets(task, footage, span, self._facts, self._options)
            task.notes += targets.notes if task.part is None else []
            run = VideoRun(task, footage, span, targets, self._options, bounds)
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
                        then = "; --resume goes on" if task.can_resume else ""
                        self._observer.note(f"interrupted: {left}{then}")
                raise
            except BaseException as error:
                for output in targets.outputs.values():
                    output.abandon()
                    if output.left:
                        task.notes.append(f"{output.left} for --resume")
                if isinstance(error, MattecliError) and not task.can_resume:
                    error.remedy = _without_resume(error.remedy)
                raise


def _without_resume(remedy: str) -> str:
    """The remedy for a stream, which cannot be gone on with."""
    return remedy.replace(" with --resume", "").replace(" without --resume", "")
