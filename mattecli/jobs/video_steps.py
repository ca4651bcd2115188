"""The stages that a frame goes through, and steadying in between."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, replace

import numpy as np

from mattecli.engine.estimator import Estimator, Matte, Photo, require_finite
from mattecli.engine.pipeline import Outcome, Stage, run_stages
from mattecli.errors import TrimapError, UsageError
from mattecli.jobs.fills import ColourFill, Fill
from mattecli.jobs.finishing import Finisher
from mattecli.jobs.network_stage import network_stage
from mattecli.jobs.refining import Refiner
from mattecli.jobs.results import Cutout, Results
from mattecli.jobs.runner import each
from mattecli.jobs.trimap import trimap_options
from mattecli.jobs.video_frames import FrameItem
from mattecli.jobs.video_screens import ScreenWatch
from mattecli.jobs.video_steady import steadied_frames
from mattecli.ops.alpha import keep_known
from mattecli.ops.composite import associated
from mattecli.ops.pixels import Float32
from mattecli.ops.segmentation import subject_mask
from mattecli.ops.trimap import FOREGROUND, UNKNOWN, make_trimap
from mattecli.records import Array, Picture, Size
from mattecli.settings import FinishOptions, MatteOptions
from mattecli.settings.video import VideoOptions

__all__ = ["FrameSteps", "as_matte_options"]

_NO_FILL = ColourFill((0.0, 0.0, 0.0))


def as_matte_options(options: VideoOptions) -> MatteOptions:
    """What the stills' jobs need to know of a video's options.

    Frames are refined only where that is asked for: it costs as much as finishing a frame does.

    Raises:
        UsageError: a way of refining was asked for that is for photos alone.
    """
    if options.model.refine == "dim":
        raise UsageError("--refine dim is for photos", remedy="use guided or closed-form")
    refine = "none" if options.model.refine == "auto" else options.model.refine
    base = MatteOptions(
        finish=FinishOptions(**asdict(options.finish)),
        source=options.source,
        model=replace(options.model, refine=refine),
        shape=options.shape,
        device=options.device,
        run=options.run,
    )
    pixels = replace(base.pixels, foreground=options.pixels.foreground)
    return replace(base, pixels=pixels)


class FrameSteps:
    """(Guide,) prepare, network, steady, finish: frames in, frames with finished pictures out.

    Args:
        estimator: the model.
        guide: the portrait model, where a trimap or a segmentation has to be made first.
        options: all of the command's.
        workers: threads that prepare, and as many that finish.
        refiner: gives a small alpha the frame's detail, without a network of its own; or None.
    """

    def __init__(
        self,
        estimator: Estimator,
        guide: Estimator | None,
        options: VideoOptions,
        workers: int,
        refiner: Refiner | None = None,
    ) -> None:
        self._refiner = refiner
        self.seconds: dict[str, float] = {}
        self._estimator = estimator
        self._guide = guide
        self._options = options
        self._stills = as_matte_options(options)
        self._shape = trimap_options(options.shape)
        self._finisher = Finisher(
            self._stills.finish, needs_colours=set(options.pixels.write) != {"alpha"}
        )
        self._screens = ScreenWatch(self._finisher.screen)
        self._smooth = options.clip.smooth
        self._workers = workers
        # Enough that no stage waits for another, and no more: frames are large.
        self._under_way = 2 * workers + 2 * estimator.batch * estimator.lanes + 2

    @property
    def notes(self) -> list[str]:
        """What the user should know of the frames so far."""
        return self._screens.notes

    def run(self, frames: Iterable[FrameItem]) -> Generator[FrameItem]:
        """All frames in order, finished, without those that are context only.

        Raises:
            MattecliError: the first frame that fails ends the clip.
        """
        stages = [Stage(name="finish", work=each(self._finish), workers=self._workers)]
        with closing(self._estimated(frames)) as found:
            steady = steadied_frames(self._screens.watched(found), self._smooth)
            finished = run_stages(steady, stages, budget=self._under_way)
            with closing(finished):
                for outcome in finished:
                    yield self._counted(outcome)

    def _estimated(self, frames: Iterable[FrameItem]) -> Generator[FrameItem]:
        outcomes = run_stages(frames, self._stages(), budget=self._under_way)
        with closing(outcomes):
            for outcome in outcomes:
                yield self._counted(outcome)

    def _counted(self, outcome: Outcome[FrameItem]) -> FrameItem:
        for name, seconds in outcome.seconds.items():
            self.seconds[name] = self.seconds.get(name, 0.0) + seconds
        if outcome.error is not None:
            raise outcome.error
        return outcome.item

    def _stages(self) -> list[Stage[FrameItem]]:
        network = network_stage(
            "network", self._estimator, self._estimate, lambda item: item.prepared
        )
        prepare = Stage(name="prepare", work=each(self._prepare), workers=self._workers)
        if self._guide is None:
            return [prepare, network]
        look = Stage(name="prepare guide", work=each(self._prepare_guide), workers=self._workers)
        guide = network_stage("guide", self._guide, self._run_guide, lambda item: item.guide_input)
        return [look, guide, prepare, network]

    def _prepare_guide(self, item: FrameItem) -> None:
        if self._guide is not None:
            photo = Photo(color=item.color, full=Size.of(item.color))
            item.guide_input = self._guide.prepare(photo)

    def _run_guide(self, group: Sequence[FrameItem]) -> None:
        if self._guide is None:
            raise AssertionError("there is no guide to run")
        ready = [item.guide_input for item in group if item.guide_input is not None]
        for item, matte in zip(group, self._guide.estimate(ready), strict=True):
            item.guide_input = None
            item.guide = self._guide.restore(matte, Size.of(item.color)).alpha

    def _prepare(self, item: FrameItem) -> None:
        if item.guide is not None and self._options.model.trimap == "auto":
            item.trimap = make_trimap(item.guide, self._shape)
        elif item.guide is not None and item.mask is None:
            item.mask = subject_mask(item.guide)
        item.guide = None
        if self._is_settled(item):
            return
        photo = Photo(
            color=item.color,
            full=Size.of(item.color),
            trimap=item.trimap,
            background=item.plate,
            mask=item.mask,
        )
        item.prepared = self._estimator.prepare(photo)
        item.seen = item.prepared.color
        item.plate = item.mask = None

    @staticmethod
    def _is_settled(item: FrameItem) -> bool:
        """Whether the trimap leaves nothing to estimate: the subject has left the picture."""
        return item.trimap is not None and not (item.trimap == UNKNOWN).any()

    def _estimate(self, group: Sequence[FrameItem]) -> None:
        ready = [item.prepared for item in group if item.prepared is not None]
        mattes = iter(self._estimator.estimate(ready) if ready else [])
        for item in group:
            if item.prepared is None:
                item.matte = _certain(item)
                continue
            matte = require_finite(next(mattes))
            if matte.box is not None:  # boxes wander: only whole frames can be compared
                matte = self._estimator.restore(matte, Size.of(item.color))
            item.matte = matte
            item.prepared = None

    def _finish(self, item: FrameItem) -> None:
        matte = item.matte
        if matte is None:
            raise AssertionError("a frame was finished before it was estimated")
        size = Size.of(item.color)
        whole = self._whole(item, matte)
        alpha = whole.alpha
        if item.trimap is not None:  # a copy: neighbours may be steadied by the matte still
            alpha = keep_known(alpha.copy(), item.trimap)
        picture = Picture(color=item.color, full=size)
        cutout = self._finisher.frame(
            picture,
            alpha,
            trimap=item.trimap,
            foreground=whole.foreground,
            screen=item.stamp.screen,
        )
        item.images = self._pictures(cutout, item.fill or _NO_FILL)
        item.matte = item.seen = item.trimap = item.fill = None

    def _whole(self, item: FrameItem, matte: Matte) -> Matte:
        """The matte at the frame's size."""
        size = Size.of(item.color)
        if self._refiner is None or Size.of(matte.alpha) == size:
            return self._estimator.restore(matte, size)
        return Matte(alpha=self._refiner.alpha(item.color, matte))

    def _pictures(self, cutout: Cutout, fill: Fill) -> dict[str, Array]:
        kinds = self._options.pixels.write
        results = Results(cutout, self._stills, fill)
        images: dict[str, Array] = {}
        for kind in ("alpha", "composite"):
            if kind in kinds:
                images[kind] = np.asarray(results.image(kind))
        if "foreground" in kinds or "fill" in kinds:
            rgba = np.asarray(results.image("foreground"))
            if "fill" in kinds:
                images["fill"] = rgba[..., :3]
            if "foreground" in kinds:
                images["foreground"] = (
                    associated(rgba) if self._options.pixels.premultiply else rgba
                )
        return images


def _certain(item: FrameItem) -> Matte:
    if item.trimap is None:
        raise TrimapError("a frame has no trimap")
    alpha: Float32 = np.where(item.trimap == FOREGROUND, 1, 0).astype(np.float32)
    item.seen = item.color
    return Matte(alpha=alpha)
