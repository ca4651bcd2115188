"""The job behind ``mattecli matte``: photos in, alphas and foregrounds out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import cv2
import numpy as np

from mattecli.engine.estimator import Estimator, Matte, Photo, Prepared
from mattecli.engine.pipeline import Stage
from mattecli.jobs.choice import choose_spec, make_model
from mattecli.jobs.fills import parse_fill
from mattecli.jobs.outputs import write_outputs
from mattecli.jobs.plan import Task, goes_to_one_place, pair, plan_tasks
from mattecli.jobs.results import Cutout, Results
from mattecli.jobs.runner import Observer, Silent, Work, each, run_tasks, worker_count
from mattecli.media.images import read_levels, read_picture
from mattecli.ops.alpha import keep_known
from mattecli.ops.composite import composite
from mattecli.ops.pixels import to_float
from mattecli.ops.trimap import repair_trimap, require_usable
from mattecli.records import Array, Picture, Report, Size
from mattecli.settings import MatteOptions
from mattecli.settings.matte import Kind

__all__ = ["matte_images"]

_COLOURLESS = {"alpha", "trimap", "mask"}
"""Kinds of output that need no colours at full size."""


@dataclass(slots=True, eq=False, kw_only=True)
class _MatteTask(Task):
    """One photo on its way through the stages; what is no longer needed is dropped."""

    picture: Picture | None = None
    trimap: Array | None = None
    prepared: Prepared | None = None
    matte: Matte | None = None


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
    spec = choose_spec(options.model)
    options = replace(options, pixels=replace(options.pixels, write=_kinds(options)))
    tasks = plan_tasks(
        _MatteTask,
        options.source,
        options.target,
        kinds=options.pixels.write,
        folder="mattes",
        protected=(options.model.trimap, options.pixels.background_fill),
    )
    pair(tasks, "trimap", options.model.trimap)
    if options.run.dry_run:
        return run_tasks(Work(tasks=tasks, stages=()), options.run, observer)
    workers = worker_count(options.run)
    chosen = make_model(spec, options, workers)
    if options.model.model is None:
        observer.note(f"model: {spec.name}")
    settings = {**chosen.facts, "options": asdict(options.pixels)}
    observer.note(", ".join(f"{k} {v}" for k, v in chosen.facts.items()), detail=True)
    steps = _Steps(chosen.estimator, options)
    return run_tasks(
        Work(tasks=tasks, stages=steps.stages(workers), settings=settings), options.run, observer
    )


def _kinds(options: MatteOptions) -> tuple[Kind, ...]:
    """What to write when the user does not say: what fits the place."""
    if options.pixels.write:
        return options.pixels.write
    if goes_to_one_place(options.source, options.target):
        return ("foreground",)
    return ("alpha", "foreground")


class _Steps:
    """The stages of a photo: decode, network, finish (which encodes and writes too)."""

    def __init__(self, estimator: Estimator, options: MatteOptions) -> None:
        self._estimator = estimator
        self._options = options
        self._fill = parse_fill(options.pixels.background_fill)
        self._needs_colours = not _COLOURLESS.issuperset(options.pixels.write)

    def stages(self, workers: int) -> list[Stage[_MatteTask]]:
        """Decoders and finishers have threads of their own; the estimator says how many."""
        estimator = self._estimator
        return [
            Stage(name="decode", work=each(self._decode), workers=workers),
            Stage(
                name="network",
                work=self._estimate,
                workers=estimator.lanes,
                group=estimator.batch,
                key=lambda task: task.prepared.shape if task.prepared else None,
            ),
            Stage(name="finish", work=each(self._finish), workers=workers),
        ]

    def _decode(self, task: _MatteTask) -> None:
        picture = read_picture(
            task.source.content(),
            max_pixels=self._options.source.max_pixels,
            short_side=None if self._needs_colours else self._estimator.short_side,
        )
        task.size = picture.full
        task.trimap = self._read_trimap(task, picture.full)
        photo = Photo(color=_flattened(task, picture), full=picture.full, trimap=task.trimap)
        task.prepared = self._estimator.prepare(photo)
        task.picture = picture

    def _read_trimap(self, task: _MatteTask, size: Size) -> Array | None:
        if self._options.model.trimap is None:
            return None
        path = task.companion("trimap")
        levels = read_levels(path, max_pixels=self._options.source.max_pixels)
        trimap = repair_trimap(levels)
        require_usable(trimap, size, path)
        return trimap

    def _estimate(self, group: Sequence[_MatteTask]) -> None:
        ready = [task.prepared for task in group if task.prepared is not None]
        for task, matte in zip(group, self._estimator.estimate(ready), strict=True):
            task.matte = matte
            task.prepared = None

    def _finish(self, task: _MatteTask) -> None:
        picture, matte, trimap = task.picture, task.matte, task.trimap
        task.picture = task.matte = task.trimap = None
        if picture is None or matte is None:
            raise AssertionError("a photo was finished before it was estimated")
        whole = self._estimator.restore(matte, picture.full)
        alpha = whole.alpha if trimap is None else keep_known(whole.alpha, trimap)
        if picture.alpha is not None:
            alpha = alpha * _own_alpha(picture.alpha, picture.full)
        cutout = Cutout(picture=picture, alpha=alpha, trimap=trimap, foreground=whole.foreground)
        results = Results(cutout, self._options, self._fill)
        task.show("photo", picture.color)
        write_outputs(task, results.image, picture.icc)
        if task.wants_thumbs and self._needs_colours and "composite" not in task.outputs:
            task.show("composite", results.image("composite"))


def _flattened(task: _MatteTask, picture: Picture) -> Array:
    """What the network sees of a photo that is transparent in places: it over white."""
    if picture.alpha is None:
        return picture.color
    task.notes.append("its own transparency is kept; the network saw it over white")
    return composite(picture.color, picture.alpha, np.full_like(picture.color, _white(picture)))


def _white(picture: Picture) -> float:
    kind = picture.color.dtype
    return float(np.iinfo(kind).max) if np.issubdtype(kind, np.integer) else 1.0


def _own_alpha(own: Array, full: Size) -> Array:
    """The file's own alpha at full size, 0..1."""
    alpha = to_float(own)
    return alpha if Size.of(alpha) == full else to_float(cv2.resize(alpha, full))
