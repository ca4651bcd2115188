"""The stages that a photo goes through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from mattecli.engine.estimator import Matte, Photo, Prepared, require_finite
from mattecli.engine.pipeline import Stage
from mattecli.errors import InputError
from mattecli.jobs.ahead import Read
from mattecli.jobs.companions import Companions
from mattecli.jobs.fills import parse_fill
from mattecli.jobs.finishing import Finisher
from mattecli.jobs.network_stage import network_stage
from mattecli.jobs.opening import OpenedModels
from mattecli.jobs.outputs import write_outputs
from mattecli.jobs.remarks import nothing_found, nothing_left, remarks_on
from mattecli.jobs.results import Results, decontaminator
from mattecli.jobs.runner import each
from mattecli.jobs.task import Task
from mattecli.jobs.workspace import Workspace
from mattecli.ops.alpha import keep_known
from mattecli.ops.composite import composite
from mattecli.ops.pixels import Float32, to_float, white_of
from mattecli.records import Array, Picture, Size
from mattecli.settings import MatteOptions

__all__ = ["MatteSteps", "MatteTask", "needs_colours"]

_COLOURLESS = {"alpha", "trimap", "mask"}
"""Kinds of output that need no colours at full size."""


@dataclass(slots=True, eq=False, kw_only=True)
class MatteTask(Task):
    """One photo on its way through the stages; what is no longer needed is dropped.

    Attributes:
        picture: as decoded.
        seen: its colours, over white where it is transparent.
        guide_input: what the portrait model is given, where one goes first.
        guide: the alpha that it found, H,W, for the trimap or segmentation that is made of it.
        trimap: the one that was used, H,W, given or made.
        prepared: what the model is given.
        matte: what it found.
        band_input: what the model that refines is given: the uncertain band's trimap and photo.
        band: what it found there.
    """

    picture: Picture | None = None
    seen: Array | None = None
    guide_input: Prepared | None = None
    guide: Float32 | None = None
    trimap: Array | None = None
    prepared: Prepared | None = None
    matte: Matte | None = None
    band_input: Prepared | None = None
    band: Matte | None = None


def needs_colours(options: MatteOptions) -> bool:
    """Whether any output shows the photo's colours at full size."""
    return not _COLOURLESS.issuperset(options.pixels.write)


class MatteSteps:
    """The stages: decode, (guide, prepare,) network, (band, refine,) finish.

    Those in brackets are there only with a guide, or with a network that refines. Finishing encodes
    and writes, too.

    Args:
        models: what photos go through.
        options: all of the command's.
        workspace: where large arrays are kept.
        read: gives a task's photo, decoded.
    """

    def __init__(
        self,
        models: OpenedModels,
        options: MatteOptions,
        workspace: Workspace,
        read: Read[MatteTask],
    ) -> None:
        self._read = read
        self._workspace = workspace
        self._estimator = models.estimator
        self._guide = models.guide
        self._refiner = models.refiner
        self._options = options
        self._companions = Companions(options, workspace.place)
        self._decontaminate = decontaminator(models.estimator)
        self._fill = parse_fill(options.pixels.fill, max_pixels=options.source.max_pixels)
        self._needs_colours = needs_colours(options)
        self._finisher = Finisher(options.finish, needs_colours=self._needs_colours)

    def stages(self, workers: int) -> list[Stage[MatteTask]]:
        """The stages; those of estimators have as many threads as these say, others ``workers``."""
        finish = Stage(name="finish", work=each(self._finish), workers=workers)
        return [*self.estimating(workers), finish]

    def estimating(self, workers: int) -> list[Stage[MatteTask]]:
        """The stages but for the last: after them a task is ready for ``results``."""
        network = network_stage(
            "network", self._estimator, self._estimate, lambda task: task.prepared
        )
        refine = self._refine_stages(workers)
        if self._guide is None:
            decode = Stage(name="decode", work=each(self._decode_and_prepare), workers=workers)
            return [decode, network, *refine]
        return [
            Stage(name="decode", work=each(self._decode), workers=workers),
            network_stage("guide", self._guide, self._run_guide, lambda task: task.guide_input),
            Stage(name="prepare", work=each(self._prepare), workers=workers),
            network,
            *refine,
        ]

    def _refine_stages(self, workers: int) -> list[Stage[MatteTask]]:
        """Where a second network refines; other ways are part of finishing."""
        if self._refiner is None or self._refiner.estimator is None:
            return []
        return [
            Stage(name="band", work=each(self._prepare_band), workers=workers),
            network_stage(
                "refine", self._refiner.estimator, self._run_refiner, lambda task: task.band_input
            ),
        ]

    def _decode_and_prepare(self, task: MatteTask) -> None:
        self._decode(task)
        self._prepare(task)

    def _decode(self, task: MatteTask) -> None:
        picture = self._read(task, self._short_side())
        if self._options.model.reference:
            picture = replace(picture, alpha=None)  # the published scripts ignore it
        picture = replace(picture, color=self._workspace.keep(picture.color))
        task.size = picture.full
        task.notes += remarks_on(picture)
        task.picture = picture
        task.seen = _flattened(task, picture)
        if self._guide is not None:
            task.guide_input = self._guide.prepare(Photo(color=task.seen, full=picture.full))

    def _short_side(self) -> int | None:
        """How small a photo may be decoded: not at all where its own pixels are used."""
        estimators = [self._estimator, *([self._guide] if self._guide else [])]
        sides = [estimator.short_side for estimator in estimators]
        known = [side for side in sides if side is not None]
        needs_all = self._needs_colours or self._refiner is not None
        return None if needs_all or len(known) < len(sides) else max(known)

    def _run_guide(self, group: Sequence[MatteTask]) -> None:
        if self._guide is None:
            raise AssertionError("there is no guide to run")
        ready = [task.guide_input for task in group if task.guide_input is not None]
        for task, matte in zip(group, self._guide.estimate(ready), strict=True):
            task.guide_input = None
            if task.size is not None:
                task.guide = self._guide.restore(matte, task.size).alpha

    def _prepare(self, task: MatteTask) -> None:
        if task.seen is None or task.size is None:
            raise AssertionError("a photo was prepared before it was decoded")
        photo = self._companions.photo(task, task.seen, task.size, task.guide)
        keep = self._workspace.keep
        photo = replace(
            photo,
            trimap=None if photo.trimap is None else keep(photo.trimap),
            background=None if photo.background is None else keep(photo.background),
        )
        task.trimap = photo.trimap
        task.prepared = self._estimator.prepare(photo)
        task.guide = None
        if self._refiner is None:
            task.seen = None

    def _estimate(self, group: Sequence[MatteTask]) -> None:
        ready = [task.prepared for task in group if task.prepared is not None]
        for task, matte in zip(group, self._estimator.estimate(ready), strict=True):
            task.matte = matte
            task.prepared = None

    def _prepare_band(self, task: MatteTask) -> None:
        if self._refiner is not None and task.seen is not None and task.matte is not None:
            task.band_input = self._refiner.band(task.seen, require_finite(task.matte))

    def _run_refiner(self, group: Sequence[MatteTask]) -> None:
        if self._refiner is None or self._refiner.estimator is None:
            raise AssertionError("there is nothing to refine with")
        waiting = [task for task in group if task.band_input is not None]
        ready = [task.band_input for task in waiting if task.band_input is not None]
        found = self._refiner.estimator.estimate(ready) if ready else []
        for task, matte in zip(waiting, found, strict=True):
            task.band = require_finite(matte)
            task.notes.extend(matte.notes)
            task.band_input = None

    def results(self, task: MatteTask) -> Results:
        """The pictures of a task's cut-out, made when they are asked for.

        Raises:
            InputError: the network overflowed, or the subject to crop to is not there.
        """
        picture, matte, trimap = task.picture, task.matte, task.trimap
        task.picture = task.matte = task.trimap = None
        if picture is None or matte is None:
            raise AssertionError("a photo was finished before it was estimated")
        task.notes.extend(matte.notes)
        whole = self._kept(self._whole(task, require_finite(matte), picture.full))
        matte = None
        alpha = whole.alpha
        if trimap is not None:
            alpha = keep_known(alpha, trimap)
        else:
            self._judge(task, nothing_found(alpha))
        own = None if picture.alpha is None else _own_alpha(picture.alpha, picture.full)
        cutout = self._finisher.cutout(
            task, picture, alpha, own=own, trimap=trimap, foreground=whole.foreground
        )
        if cutout.alpha is not alpha and alpha.any():
            self._judge(task, nothing_left(cutout.alpha))
        return Results(
            cutout,
            self._options,
            self._fill,
            decontaminate=self._decontaminate,
            keep=self._workspace.keep,
        )

    def _finish(self, task: MatteTask) -> None:
        results = self.results(task)
        picture = results.picture
        task.show("photo", picture.color)
        write_outputs(
            task,
            results.image,
            icc=picture.icc,
            resolution=picture.resolution,
            quality=self._options.pixels.quality,
            is_associated=self._options.pixels.premultiply,
        )
        if task.wants_thumbs and self._needs_colours and "composite" not in task.outputs:
            task.show("composite", results.image("composite"))

    def _judge(self, task: MatteTask, empty: InputError | None) -> None:
        """Tell, or refuse, a photo of which there is nothing to show.

        Raises:
            InputError: that is to be a failure, or outputs were to be cropped to what is found.
        """
        if empty is None:
            return
        if self._options.pixels.fail_empty or self._options.finish.crop != "off":
            raise empty
        task.notes.append(empty.cause)

    def _kept(self, matte: Matte) -> Matte:
        """The matte, in files where memory has no room for it."""
        colours = matte.foreground
        return Matte(
            alpha=self._workspace.keep(matte.alpha),
            foreground=None if colours is None else self._workspace.keep(colours),
        )

    def _whole(self, task: MatteTask, matte: Matte, full: Size) -> Matte:
        """The matte at the photo's size."""
        seen, band = task.seen, task.band
        task.seen = task.band = None
        if self._refiner is None or seen is None or Size.of(matte.alpha) == full:
            return self._estimator.restore(matte, full)
        return Matte(alpha=self._refiner.alpha(seen, matte, band))


def _flattened(task: Task, picture: Picture) -> Array:
    """The photo as the network sees it: over white where it is transparent."""
    if picture.alpha is None:
        return picture.color
    task.notes.append("its own transparency is kept; the network saw it over white")
    white = np.full_like(picture.color, white_of(picture.color.dtype))
    return composite(picture.color, picture.alpha, white)


def _own_alpha(own: Array, full: Size) -> Array:
    """The file's own alpha at full size, 0..1."""
    alpha = to_float(own)
    return alpha if Size.of(alpha) == full else to_float(cv2.resize(alpha, full))
