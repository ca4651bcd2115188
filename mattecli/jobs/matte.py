"""The job behind ``mattecli matte``: photos in, alphas and foregrounds out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial

from mattecli.engine.memory import parse_bytes
from mattecli.engine.sizes import sufficient_side
from mattecli.errors import UsageError
from mattecli.jobs.ahead import DecodedAhead, photo_reader
from mattecli.jobs.choice import choose_spec, needs_guide
from mattecli.jobs.crew import PIXELS_UNDER_WAY, Crew, Workbench, require_crew
from mattecli.jobs.dry_run import require_models
from mattecli.jobs.finishing import Finisher
from mattecli.jobs.journal import Journal
from mattecli.jobs.made_with import made_with
from mattecli.jobs.matte_steps import MatteSteps, MatteTask, needs_colours
from mattecli.jobs.opening import open_models
from mattecli.jobs.plan import (
    OutputRule,
    goes_to_one_place,
    pair,
    plan_tasks,
    refuse_overwriting_companions,
)
from mattecli.jobs.refining import refinement
from mattecli.jobs.runner import Observer, Silent, run_recipe
from mattecli.jobs.unused import unused_in_matte
from mattecli.jobs.watching import check_watched, run_watching
from mattecli.jobs.work import as_settings, journalled_work
from mattecli.jobs.workspace import Workspace
from mattecli.media.earlier import MATTES
from mattecli.media.formats import check_quality, writable_format
from mattecli.models.spec import ModelSpec
from mattecli.records import Report
from mattecli.settings import MatteOptions, PixelOptions
from mattecli.settings.matte import Kind

__all__ = ["matte_images"]

_RULE = OutputRule(folder=MATTES, example="mattecli matte < photo.jpg > cutout.png")
_MOST_AHEAD = 8  # threads
_LOSSLESS = "leave it out, or write the trimap by itself"


def matte_images(
    options: MatteOptions,
    observer: Observer | None = None,
    *,
    crew: Crew | None = None,
    rule: OutputRule = _RULE,
) -> Report:
    """Estimate alpha mattes and foregrounds of photos and write them.

    Args:
        options: inputs, outputs, model and so on.
        observer: is told of each photo as it ends.
        crew: does the work elsewhere.
        rule: of the command that this is done for.

    Raises:
        UsageError: the options make no sense together, or nothing was given.
        ModelUnavailableError: there are no weights for the model.
    """
    observer = observer or Silent()
    require_crew(options.engine, crew)
    spec = choose_spec(options.model, options.device)
    options = replace(options, pixels=replace(options.pixels, write=_kinds(options)))
    if remark := unused_in_matte(options):
        observer.note(remark)
    check_watched(options)
    Finisher(options.finish, needs_colours=True)  # which refuses its own
    if options.watch.watch is not None:
        options = replace(options, target=replace(options.target, existing="skip"))
    tasks = _plan(options, rule, observer)
    _check_format(tasks, options.pixels)
    work = journalled_work(
        tasks,
        options,
        rule.folder,
        lambda: made_with(spec, options),
        settings={
            "options": asdict(options.pixels),
            "finish": asdict(options.finish),
            "model_options": as_settings(options.model),
        },
        read=(options.model.weights, options.pixels.background_fill),
    )
    if options.model.model is None:
        work = replace(work, remark=f"model: {spec.name}")
    # The model is named, since a machine with other weights might choose another.
    named = replace(options, model=replace(options.model, model=options.model.model or spec.name))
    recipe = MatteRecipe(named)
    if options.run.dry_run:
        require_models(spec, options)
    if options.device.max_memory is not None:
        parse_bytes(options.device.max_memory)  # so that a dry run refuses it too
    if options.watch.watch is not None:
        plan = partial(_plan_anew, options, rule, work.journal)
        return run_watching(recipe, work, plan, options.run, observer, options.watch.watch)
    return run_recipe(recipe, work, options.run, observer, crew)


def _plan_anew(options: MatteOptions, rule: OutputRule, journal: Journal | None) -> list[MatteTask]:
    """The tasks for all that is there now, as the journal leaves them."""
    tasks = _plan(options, rule, Silent())
    return tasks if journal is None else journal.applied(tasks, options.target)


@dataclass(frozen=True, slots=True)
class MatteRecipe:
    """How photos are matted, here or elsewhere; the options name the model."""

    options: MatteOptions

    @contextmanager
    def open(self, workers: int, waiting: Sequence[MatteTask]) -> Iterator[Workbench[MatteTask]]:
        """Load the model; as ``WorkRecipe.open``."""
        options = self.options
        spec = choose_spec(options.model, options.device)
        with (
            Workspace(options.device.max_memory) as workspace,
            _ahead(spec, options, workspace, workers, waiting) as ahead,
        ):
            # A network's lanes share the cores, and their number changes the last digits of a
            # result: it must not depend on how many photos there are.
            few = max(1, min(workers, len(waiting)))
            lanes = few if spec.kind == "classical" else workers
            models = open_models(spec, options, workspace, lanes)
            steps = MatteSteps(models, options, workspace, ahead.take)
            ahead.stop()
            yield Workbench(
                stages=steps.stages(workers),
                facts=models.facts,
                pixels=workspace.pixels,
                forecast=workspace.forecast,
            )


def _ahead(
    spec: ModelSpec,
    options: MatteOptions,
    workspace: Workspace,
    workers: int,
    waiting: Sequence[MatteTask],
) -> DecodedAhead[MatteTask]:
    """What decodes the first photos while the model is being loaded."""
    return DecodedAhead(
        waiting,
        photo_reader(options.source, workspace),
        _probable_side(spec, options),
        threads=min(max(1, workers - 1), _MOST_AHEAD),  # loading keeps one busy
        pixels=min(workspace.pixels, PIXELS_UNDER_WAY) // 2,
    )


def _probable_side(spec: ModelSpec, options: MatteOptions) -> int | None:
    """The short side that photos will probably be decoded to; None: in full.

    Told before the weights are read, which may ask for another.
    """
    needs_all = needs_colours(options) or refinement(spec, options) != "none"
    if needs_all or options.model.reference or needs_guide(spec, options.model):
        return None
    if options.model.weights is None and spec.built_in_size:
        spec = replace(spec, size=spec.built_in_size)
    return sufficient_side(spec, options.model.size)


def _plan(options: MatteOptions, rule: OutputRule, observer: Observer) -> list[MatteTask]:
    model = options.model
    companions = {
        "trimap": None if model.trimap == "auto" else model.trimap,
        "mask": model.mask,
        "background": model.background,
        "segmentation": model.segmentation,
    }
    tasks = plan_tasks(
        MatteTask,
        options.source,
        options.target,
        replace(
            rule,
            kinds=options.pixels.write,
            protected=(*companions.values(), options.pixels.background_fill),
        ),
        observer.note,
    )
    for role, given in companions.items():
        pair(tasks, role, given)
    refuse_overwriting_companions(tasks, [options.model.weights] if options.model.weights else [])
    return tasks


def _check_format(tasks: Sequence[MatteTask], pixels: PixelOptions) -> None:
    """Refuse a format that cannot hold the results, before the night's work."""
    if not tasks:
        return
    row = writable_format(tasks[0].format)
    if "foreground" in pixels.write and not (pixels.rgb or row.alpha):
        raise UsageError(
            f"{row.name} cannot hold a foreground's alpha",
            remedy="use --format png, or --rgb, or --write composite",
        )
    check_quality(row, pixels.quality)
    if pixels.quality is not None and "trimap" in pixels.write:
        raise UsageError("--quality does not keep the three values of a trimap", remedy=_LOSSLESS)
    if pixels.bit_depth == "16" and 16 not in row.depths:
        raise UsageError(f"{row.name} cannot hold 16 bits", remedy="use --format png or tiff")


def _kinds(options: MatteOptions) -> tuple[Kind, ...]:
    """What to write when the user does not say: what fits the place."""
    if options.pixels.write:
        return options.pixels.write
    filled = options.pixels.background_fill is not None
    if goes_to_one_place(options.source, options.target.output):
        return ("composite",) if filled else ("foreground",)
    return ("alpha", "foreground", "composite") if filled else ("alpha", "foreground")
