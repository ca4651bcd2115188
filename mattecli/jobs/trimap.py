"""The job behind ``mattecli trimap``: masks, mattes or photos in, trimaps out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

import numpy as np

from mattecli.engine.pipeline import Stage
from mattecli.errors import TrimapError, UsageError
from mattecli.jobs.crew import Crew, Workbench, require_crew
from mattecli.jobs.outputs import write_outputs
from mattecli.jobs.plan import (
    OutputRule,
    asked_format,
    files_read,
    pair,
    plan_tasks,
    refuse_overwriting_companions,
)
from mattecli.jobs.runner import Observer, Silent, Work, each, run_recipe
from mattecli.jobs.task import Task
from mattecli.jobs.work import journalled_work
from mattecli.media.earlier import TRIMAPS
from mattecli.media.images import MatteFile, probe, read_matte, read_picture
from mattecli.models.registry import find_spec
from mattecli.ops.amounts import parse_percent
from mattecli.ops.trimap import (
    TrimapOptions,
    check_trimap,
    make_trimap,
    repair_trimap,
    require_usable,
)
from mattecli.ops.trimap_preview import preview_trimap
from mattecli.records import Array, Report, Size
from mattecli.settings import (
    MatteOptions,
    ModelOptions,
    PixelOptions,
    TrimapCommandOptions,
    TrimapShape,
)
from mattecli.settings.matte import Kind

__all__ = ["make_trimaps", "trimap_options"]

_EXAMPLE = "mattecli trimap --dilate 15 < mask.png > trimap.png"
_FROM_PHOTO = "mattecli trimap --model modnet < photo.jpg > trimap.png"


def trimap_options(shape: TrimapShape) -> TrimapOptions:
    """A command's options as ``make_trimap`` takes them.

    ``settings`` cannot make them itself: it imports no numpy, which ``ops.trimap`` needs.

    Raises:
        UsageError: a number is out of its range.
    """
    return TrimapOptions(
        dilate=shape.dilate,
        erode=shape.erode,
        kernel=shape.kernel,
        low=shape.low,
        high=shape.high,
        band_percent=None if shape.band is None else parse_percent(shape.band, "--band"),
    )


def make_trimaps(
    options: TrimapCommandOptions, observer: Observer | None = None, *, crew: Crew | None = None
) -> Report:
    """Make, mend or check trimaps.

    Args:
        options: inputs, outputs and the band's shape.
        observer: is told of each input as it ends.
        crew: does the work elsewhere.

    Raises:
        UsageError: the options make no sense together, or nothing was given.
        ModelUnavailableError: there are no weights for the model that was asked for.
    """
    observer = observer or Silent()
    require_crew(options.engine, crew)
    task = options.task
    if sum((task.check, task.repair, task.model is not None)) > 1:
        raise UsageError("--check, --repair and --model exclude each other")
    if task.model is not None:
        return _from_photos(options, observer, crew)
    if task.weights is not None:
        raise UsageError("--weights is for --model", remedy="name the model")
    if task.image is not None and not (task.check or task.preview):
        raise UsageError("--image is for --check and --preview")
    kinds = () if task.check else ("trimap", "preview") if task.preview else ("trimap",)
    wanted = ("trimap",) if task.check or task.repair else ("alpha", "mask", "foreground")
    rule = OutputRule(
        kinds=kinds, folder=TRIMAPS, example=_EXAMPLE, protected=(task.image,), wanted=wanted
    )
    tasks = plan_tasks(Task, options.source, options.target, rule, observer.note)
    pair(tasks, "photo", task.image)
    refuse_overwriting_companions(tasks)
    settings = {"shape": asdict(options.shape), "repair": task.repair, "check": task.check}
    made_with = {**settings, "kinds": kinds, "format": asked_format(options.target)}
    if task.check:  # which writes nothing
        work = Work(tasks=tasks, stages=(), settings=settings, read=files_read(options.source))
    else:
        work = journalled_work(tasks, options, TRIMAPS, lambda: made_with, settings=settings)
    return run_recipe(TrimapRecipe(options), work, options.run, observer, crew)


@dataclass(frozen=True, slots=True)
class TrimapRecipe:
    """How trimaps are made or checked, here or elsewhere."""

    options: TrimapCommandOptions

    @contextmanager
    def open(self, workers: int, waiting: Sequence[Task]) -> Iterator[Workbench[Task]]:
        """As ``WorkRecipe.open``."""
        steps = _Steps(self.options)
        check = self.options.task.check
        stage = Stage(
            name="check" if check else "trimap",
            work=each(steps.check if check else steps.make),
            workers=workers,
        )
        yield Workbench(stages=[stage])


def _from_photos(options: TrimapCommandOptions, observer: Observer, crew: Crew | None) -> Report:
    """Trimaps from a model's alpha: what ``matte`` does, with other outputs."""
    from mattecli.jobs.matte import matte_images

    if options.task.image is not None:
        raise UsageError("--image is not for --model, whose inputs are the photos")
    spec = find_spec((options.task.model or "").partition("@")[0])
    if "trimap" in spec.needs or "background" in spec.needs:
        raise UsageError(
            f"--model {spec.name} needs more than a photo", remedy="choose modnet, shm or a variant"
        )
    kinds: tuple[Kind, ...] = ("trimap", "preview") if options.task.preview else ("trimap",)
    return matte_images(
        MatteOptions(
            source=options.source,
            target=options.target,
            model=ModelOptions(model=options.task.model, weights=options.task.weights),
            pixels=PixelOptions(write=kinds),
            shape=options.shape,
            engine=options.engine,
            run=options.run,
        ),
        observer,
        crew=crew,
        rule=OutputRule(folder=TRIMAPS, example=_FROM_PHOTO),
    )


class _Steps:
    """What is done with one input."""

    def __init__(self, options: TrimapCommandOptions) -> None:
        self._task = options.task
        self._shape = trimap_options(options.shape)
        self._max_pixels = options.source.max_pixels

    def make(self, task: Task) -> None:
        """Make or mend a trimap and write it, with its preview if asked for."""
        matte = self._read(task)
        if matte.is_colour:
            raise TrimapError(
                "is in colour, and no mask",
                path=task.source.path,
                remedy="--model modnet makes trimaps of photos; give masks in grey",
            )
        levels = matte.values
        trimap = repair_trimap(levels) if self._task.repair else make_trimap(levels, self._shape)
        problems = check_trimap(trimap).problems
        task.notes += [f"no model can use it: {found.cause}" for found in problems[:1]]

        def image(kind: str) -> Array:
            return trimap if kind == "trimap" else self._preview(task, levels, trimap)

        write_outputs(task, image, resolution=matte.resolution)

    def check(self, task: Task) -> None:
        """Fail unless a trimap can be used."""
        matte = self._read(task)
        levels = matte.values
        if matte.is_colour:
            task.notes.append("is in colour: its brightness counts")
        size = None
        if self._task.image is not None:
            size = probe(task.companion("photo")).size
        found = check_trimap(levels)
        shares = f"{found.unknown_share:.1%} unknown, {found.foreground_share:.1%} foreground"
        task.notes.append(shares)
        require_usable(levels, size, task.source.path)

    def _read(self, task: Task) -> MatteFile:
        found = read_matte(task.content(), max_pixels=self._max_pixels)
        task.size = Size.of(found.values)
        return found

    def _preview(self, task: Task, levels: Array, trimap: Array) -> Array:
        if self._task.image is None:
            return preview_trimap(np.repeat(levels[..., None], 3, axis=2), trimap)
        path = task.companion("photo")
        photo = read_picture(path, max_pixels=self._max_pixels).color
        if photo.shape[:2] != trimap.shape:
            raise TrimapError(
                f"has {Size.of(trimap)} pixels, its photo {Size.of(photo)}",
                path=task.source.path,
                remedy="give the photo that the mask was made for",
            )
        return preview_trimap(photo, trimap)
