"""The job behind ``mattecli matte``: photos in, alphas and foregrounds out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from mattecli.errors import UsageError
from mattecli.jobs.choice import choose_spec, make_guide, make_model, needs_guide
from mattecli.jobs.journal import Journal, open_journal
from mattecli.jobs.made_with import made_with
from mattecli.jobs.matte_steps import MatteSteps, MatteTask
from mattecli.jobs.plan import (
    OutputRule,
    goes_to_one_place,
    pair,
    plan_tasks,
    refuse_overwriting_companions,
)
from mattecli.jobs.refining import make_refiner, refinement
from mattecli.jobs.runner import Observer, Silent, Work, run_tasks, worker_count
from mattecli.jobs.workspace import Workspace
from mattecli.media.formats import writable_format
from mattecli.models.spec import ModelSpec
from mattecli.records import Report
from mattecli.settings import MatteOptions, PixelOptions
from mattecli.settings.matte import Kind

__all__ = ["matte_images"]

_FOLDER = "mattes"  # for outputs, when the user says nothing


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be done, and what remembers it."""

    tasks: Sequence[MatteTask]
    journal: Journal | None


def matte_images(options: MatteOptions, observer: Observer | None = None) -> Report:
    """Estimate alpha mattes and foregrounds of photos and write them.

    Args:
        options: inputs, outputs, model and so on.
        observer: is told of each photo as it ends.

    Raises:
        UsageError: the options make no sense together, or nothing was given.
        ModelUnavailableError: there are no weights for the model.
    """
    observer = observer or Silent()
    spec = choose_spec(options.model, options.device)
    options = replace(options, pixels=replace(options.pixels, write=_kinds(options)))
    tasks = _plan(options)
    _check_format(tasks, options.pixels)
    journal = open_journal(options.source, options.target, _FOLDER, made_with(spec, options))
    if journal is not None:
        tasks = journal.applied(tasks, options.target)
    workspace = Workspace(options.device.max_memory)
    if options.run.dry_run:
        return run_tasks(Work(tasks=tasks, stages=()), options.run, observer)
    with workspace:
        return _run(spec, options, _Plan(tasks, journal), workspace, observer)


def _run(
    spec: ModelSpec,
    options: MatteOptions,
    plan: _Plan,
    workspace: Workspace,
    observer: Observer,
) -> Report:
    tasks = plan.tasks
    workers = worker_count(options.run)
    waiting = sum(task.settled is None for task in tasks)
    chosen = make_model(spec, options, workspace, lanes=max(1, min(workers, waiting)))
    chosen.facts["refine"] = refinement(spec, options)
    guide = make_guide(options) if needs_guide(spec, options.model) else None
    if options.model.model is None:
        observer.note(f"model: {spec.name}")
    observer.note(", ".join(f"{key} {value}" for key, value in chosen.facts.items()), detail=True)
    if options.run.verbose:  # it takes a look at every photo
        largest = max((task.source_pixels() for task in tasks), default=0)
        observer.note(f"memory: {workspace.forecast(largest)}", detail=True)
    steps = MatteSteps(
        chosen.estimator, guide, make_refiner(spec, options, workspace), options, workspace
    )
    work = Work(
        tasks=tasks,
        stages=steps.stages(workers),
        pixels=workspace.pixels,
        settings={
            **chosen.facts,
            "options": asdict(options.pixels),
            "finish": asdict(options.finish),
        },
        journal=plan.journal,
    )
    return run_tasks(work, options.run, observer)


def _plan(options: MatteOptions) -> list[MatteTask]:
    model = options.model
    companions = {
        "trimap": None if model.trimap == "auto" else model.trimap,
        "background": model.background,
        "segmentation": model.segmentation,
    }
    tasks = plan_tasks(
        MatteTask,
        options.source,
        options.target,
        OutputRule(
            kinds=options.pixels.write,
            folder=_FOLDER,
            protected=(*companions.values(), options.pixels.background_fill),
        ),
    )
    for role, given in companions.items():
        pair(tasks, role, given)
    refuse_overwriting_companions(tasks, [options.model.weights] if options.model.weights else [])
    return tasks


def _check_format(tasks: Sequence[MatteTask], pixels: PixelOptions) -> None:
    """What a format cannot hold is known before the night's work."""
    row = writable_format(tasks[0].format) if tasks else writable_format("png")
    if "foreground" in pixels.write and not (pixels.rgb or row.alpha):
        raise UsageError(
            f"{row.name} cannot hold a foreground's alpha",
            remedy="use --format png, or --rgb, or --write composite",
        )
    if pixels.bit_depth == "16" and 16 not in row.depths:
        raise UsageError(f"{row.name} cannot hold 16 bits", remedy="use --format png or tiff")


def _kinds(options: MatteOptions) -> tuple[Kind, ...]:
    """What to write when the user does not say: what fits the place."""
    if options.pixels.write:
        return options.pixels.write
    if goes_to_one_place(options.source, options.target):
        return ("foreground",)
    return ("alpha", "foreground")
