"""The job behind ``mattecli composite``: cut-outs over backgrounds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from mattecli.engine.pipeline import Stage
from mattecli.errors import InputError, UsageError
from mattecli.jobs.backgrounds import Background, list_backgrounds
from mattecli.jobs.crew import Crew, Workbench, require_crew
from mattecli.jobs.made_with import fill_digest
from mattecli.jobs.outputs import write_outputs
from mattecli.jobs.plan import (
    OutputRule,
    asked_format,
    pair,
    plan_tasks,
    refuse_overwriting_companions,
)
from mattecli.jobs.remarks import remarks_on
from mattecli.jobs.runner import Observer, Silent, each, run_recipe
from mattecli.jobs.task import Task
from mattecli.jobs.work import journalled_work
from mattecli.media.earlier import COMPOSITES
from mattecli.media.formats import check_quality, writable_format
from mattecli.media.images import read_levels, read_picture
from mattecli.ops.composite import composite, join_rgba, place
from mattecli.ops.foreground import decontaminated
from mattecli.records import Array, Picture, Report, Size
from mattecli.settings import BlendOptions, CompositeOptions

__all__ = ["composite_images"]

_EXAMPLE = "mattecli composite --background white < cutout.png > over.png"


@dataclass(slots=True, eq=False, kw_only=True)
class _CompositeTask(Task):
    """One cut-out over one background.

    Attributes:
        background: its number.
    """

    background: int = 0


@dataclass(frozen=True, slots=True)
class _Offset:
    """How far the subject moves, in pixels."""

    x: int
    y: int


def composite_images(
    options: CompositeOptions, observer: Observer | None = None, *, crew: Crew | None = None
) -> Report:
    """Put cut-outs over backgrounds and write the results.

    Args:
        options: inputs, outputs, backgrounds, and how they meet.
        observer: is told of each result as it ends.
        crew: does the work elsewhere.

    Raises:
        UsageError: the options make no sense together, or nothing was given.
        ImageReadError: the one background for all cannot be read.
    """
    observer = observer or Silent()
    require_crew(options.engine, crew)
    blend = options.blend
    backgrounds = _backgrounds(options)
    _check_backgrounds(blend, backgrounds)
    tasks = _plan(options, backgrounds, observer.note)
    work = journalled_work(
        tasks,
        options,
        COMPOSITES,
        lambda: {
            "blend": asdict(blend),
            "fill": fill_digest(blend.background),
            "format": asked_format(options.target),
        },
        settings=asdict(blend),
        read=(blend.background,),
    )
    _check_format(work.tasks, blend)
    steps = _Steps(options, backgrounds)  # refuses options before the work
    recipe = CompositeRecipe(options, steps if crew is None else None)
    return run_recipe(recipe, work, options.run, observer, crew)


@dataclass(frozen=True, slots=True)
class CompositeRecipe:
    """How cut-outs are composed, here or elsewhere.

    Attributes:
        options: of the command.
        steps: what is done with a pair, set up already; None for a recipe that is sent elsewhere,
            and sets them up there.
    """

    options: CompositeOptions
    steps: _Steps | None = None

    @contextmanager
    def open(
        self, workers: int, waiting: Sequence[_CompositeTask]
    ) -> Iterator[Workbench[_CompositeTask]]:
        """As ``WorkRecipe.open``."""
        steps = self.steps or _Steps(self.options, _backgrounds(self.options))
        yield Workbench(stages=[Stage(name="composite", work=each(steps.run), workers=workers)])


def _backgrounds(options: CompositeOptions) -> list[Background]:
    blend = options.blend
    return list_backgrounds(blend.background, blend.fit, options.source.max_pixels)


def _check_backgrounds(blend: BlendOptions, backgrounds: Sequence[Background]) -> None:
    """Refuse what makes no sense.

    Raises:
        UsageError: one background for all pairs, or the blur of a background that is not there.
    """
    if blend.each_background and len(backgrounds) < 2:
        raise UsageError(
            "--each-background needs several backgrounds", remedy="give a folder as --background"
        )
    if blend.background == "blur" and blend.alpha is None:
        raise UsageError(
            "a cut-out has no background of its own to blur", remedy="give photos with --alpha"
        )


def _plan(
    options: CompositeOptions, backgrounds: Sequence[Background], note: Callable[[str], None]
) -> list[_CompositeTask]:
    """A task for each result, with the files that belong to it."""
    every = options.blend.each_background
    named = _every_pair if every else _in_turn
    tasks = named(options, backgrounds, note)
    for task in tasks:
        path = backgrounds[task.background].path
        if path is not None:
            task.companions["background"] = path
    pair(tasks, "alpha", options.blend.alpha)
    refuse_overwriting_companions(tasks, [item.path for item in backgrounds if item.path])
    return tasks


def _named(
    options: CompositeOptions, note: Callable[[str], None], labels: Sequence[str] = ()
) -> list[_CompositeTask]:
    return plan_tasks(
        _CompositeTask,
        options.source,
        options.target,
        OutputRule(
            kinds=("composite",),
            folder=COMPOSITES,
            example=_EXAMPLE,
            protected=(options.blend.background, options.blend.alpha),
            wanted=("foreground",) if options.blend.alpha is None else (),
            labels=labels,
        ),
        note,
    )


def _in_turn(
    options: CompositeOptions, backgrounds: Sequence[Background], note: Callable[[str], None]
) -> list[_CompositeTask]:
    """The first cut-out over the first background, and so on; backgrounds are used again."""
    tasks = _named(options, note)
    for task in tasks:
        task.background = task.place % len(backgrounds)
    return tasks


def _every_pair(
    options: CompositeOptions, backgrounds: Sequence[Background], note: Callable[[str], None]
) -> list[_CompositeTask]:
    """Every cut-out over every background; the name says which."""
    numbers = {background.label: number for number, background in enumerate(backgrounds)}
    tasks = _named(options, note, list(numbers))
    for task in tasks:
        task.background = numbers[task.source.label]
    return tasks


def _check_format(tasks: Sequence[_CompositeTask], blend: BlendOptions) -> None:
    """Refuse a format that cannot hold the results, before the work.

    Raises:
        UsageError: nothing is to stand behind the cut-outs, and the format has no alpha; or it has
            no such quality.
    """
    if not tasks:
        return
    row = writable_format(tasks[0].format)
    if blend.background == "transparent" and not row.alpha:
        raise UsageError(
            f"{row.name} cannot hold a cut-out's alpha",
            remedy="use --format png, or another --background",
        )
    check_quality(row, blend.quality)


class _Steps:
    """What is done with one pair."""

    def __init__(self, options: CompositeOptions, backgrounds: Sequence[Background]) -> None:
        self._backgrounds = backgrounds
        self._blend = options.blend
        self._max_pixels = options.source.max_pixels
        self._offset = _parse_offset(options.blend.offset)
        if not 0 < options.blend.scale <= 100:
            raise UsageError(f"--scale {options.blend.scale} is out of range", remedy="try 0.5")

    def run(self, task: _CompositeTask) -> None:
        """Read, place, blend, write."""
        picture = read_picture(task.content(), max_pixels=self._max_pixels)
        task.size = picture.full
        task.notes += remarks_on(picture)
        color, alpha = self._cutout(task, picture)
        behind = self._behind(task, picture, alpha)
        color, alpha = self._placed(color, alpha)
        image = (
            join_rgba(color, alpha)
            if behind is None
            else composite(color, alpha, behind, linear=self._blend.linear)
        )
        write_outputs(
            task,
            lambda _kind: image,
            icc=picture.icc,
            resolution=picture.resolution,
            quality=self._blend.quality,
        )

    def _cutout(self, task: _CompositeTask, picture: Picture) -> tuple[Array, Array]:
        """Colours without background, and alpha."""
        if self._blend.alpha is None:
            if picture.alpha is None:
                raise InputError(
                    "has no alpha channel",
                    path=task.source.path,
                    remedy="give its alpha with --alpha, or a cut-out made by 'mattecli matte'",
                )
            return picture.color, picture.alpha
        path = task.companion("alpha")
        alpha = read_levels(path, max_pixels=self._max_pixels)
        if Size.of(alpha) != picture.full:
            raise InputError(
                f"the alpha has {Size.of(alpha)} pixels, the photo {picture.full}",
                path=path,
                remedy="give the alpha that was made from this photo",
            )
        if not self._blend.decontaminate:
            return picture.color, alpha
        return decontaminated(picture.color, alpha), alpha

    def _placed(self, color: Array, alpha: Array) -> tuple[Array, Array]:
        if self._blend.scale == 1 and self._offset == _Offset(0, 0):
            return color, alpha
        placed = place(
            color, alpha, scale=self._blend.scale, offset=(self._offset.x, self._offset.y)
        )
        return placed.color, placed.alpha

    def _behind(self, task: _CompositeTask, picture: Picture, alpha: Array) -> Array | None:
        """The background, None for none; ``alpha`` says where the subject is in the photo."""
        fill = self._backgrounds[task.background].fill(self._blend.fit)
        return None if fill is None else fill.picture(picture.color, alpha, picture.full)


def _parse_offset(text: str) -> _Offset:
    try:
        x, y = (int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--offset {text!r} is no offset", remedy="try 40,-10") from None
    return _Offset(x, y)
