"""A model that stays loaded, and takes photos through the steps of ``matte`` one at a time."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from mattecli.engine.memory import is_out_of_memory
from mattecli.engine.stage import Stage
from mattecli.errors import MattecliError, ResourceError, UsageError
from mattecli.jobs.ahead import photo_reader
from mattecli.jobs.choice import choose_spec, make_guide, needs_guide
from mattecli.jobs.matte_steps import MatteSteps, MatteTask
from mattecli.jobs.opening import open_models
from mattecli.jobs.runner import worker_count
from mattecli.jobs.workspace import Workspace
from mattecli.models.registry import find_spec
from mattecli.ops.lazy import LazyImage
from mattecli.records import Array
from mattecli.settings import MatteOptions, ModelOptions

__all__ = ["GIVEN", "ROLES", "Shown", "WarmModel"]

Shown: TypeAlias = Literal["alpha", "foreground"]

GIVEN = "given"
"""Stands in options for what comes with each photo; no file of this name is read."""

ROLES = ("trimap", "mask", "background", "segmentation")
"""What may come with a photo; options and companions have these names."""


@dataclass(frozen=True, slots=True)
class _Way:
    """What one kind of photo goes through."""

    steps: MatteSteps
    stages: Sequence[Stage[MatteTask]]


class WarmModel:
    """Models in memory; several threads may use it.

    Photos go through the stages of a run, each with as many at once as it allows; the work is done
    in threads of its own, since a network changes the number of threads of the one that it runs in.

    Attributes:
        spec: the model's row.

    Args:
        options: with a model's name; what it needs beside the photo may be left out.

    Raises:
        ModelUnavailableError: there are no weights for the model.
        UsageError: the options make no sense together.
    """

    def __init__(self, options: MatteOptions) -> None:
        self._options = options
        self._workers = worker_count(options.run)
        self._lock = threading.Lock()
        self._is_closed = False
        self._ways: dict[tuple[Shown, ModelOptions], _Way] = {}
        self._turns: dict[str, threading.Semaphore] = {}
        assumed = _assumed(options.model)
        self.spec = choose_spec(assumed, options.device)
        with ExitStack() as stack:
            self._workspace = stack.enter_context(Workspace(options.device.max_memory))
            self._models = open_models(
                self.spec, replace(options, model=assumed), self._workspace, self._workers
            )
            self._way("foreground", assumed)  # refuses options that are out of their range
            self._pool = ThreadPoolExecutor(self._workers, "matter")
            stack.callback(self._pool.shutdown)
            self._stack = stack.pop_all()

    def close(self) -> None:
        """Let go of the models, after the photos that are under way."""
        with self._lock:
            self._is_closed = True
        self._stack.close()
        self._ways.clear()

    def picture(self, kind: Shown, task: MatteTask, model: ModelOptions) -> Array:
        """A photo's alpha or foreground, as ``mattecli matte`` writes it.

        Args:
            kind: which.
            task: with what was given, and no outputs.
            model: the options' own, with what comes with this photo.

        Raises:
            MattecliError: it cannot be made.
        """
        with self._lock:
            if self._is_closed:
                raise UsageError("the model was closed", remedy="make another")
            future = self._pool.submit(self._made, kind, task, model)
        return future.result()

    def _made(self, kind: Shown, task: MatteTask, model: ModelOptions) -> Array:
        way = self._way(kind, model)
        try:
            for stage in way.stages:
                with self._turns[stage.name]:
                    stage.work([task])
            image = way.steps.results(task).image(kind)
            # A copy of what may be the photo's own array, or lie in a file of the workspace.
            return np.asarray(image) if isinstance(image, LazyImage) else np.array(image)
        except Exception as error:
            if isinstance(error, MattecliError) or not is_out_of_memory(error):
                raise
            raise ResourceError(
                "ran out of memory", remedy="give fewer photos at once, or free some"
            ) from error

    def _way(self, kind: Shown, model: ModelOptions) -> _Way:
        with self._lock:
            if (kind, model) not in self._ways:
                self._ways[kind, model] = self._new_way(kind, model)
            return self._ways[kind, model]

    def _new_way(self, kind: Shown, model: ModelOptions) -> _Way:
        spec = choose_spec(model, self._options.device)
        options = replace(
            self._options, model=model, pixels=replace(self._options.pixels, write=(kind,))
        )
        guided = needs_guide(spec, model)
        if guided and self._models.guide is None:
            self._models = replace(self._models, guide=make_guide(options))
        models = self._models if guided else replace(self._models, guide=None)
        read = photo_reader(options.source, self._workspace)
        steps = MatteSteps(models, options, self._workspace, read)
        stages = steps.estimating(self._workers)
        for stage in stages:
            self._turns.setdefault(stage.name, threading.Semaphore(stage.workers))
        return _Way(steps, stages)


def _assumed(model: ModelOptions) -> ModelOptions:
    """The options, as if all that the model needs were given."""
    needs = find_spec((model.model or "").partition("@")[0]).needs
    missing: dict[str, Any] = {
        role: GIVEN for role in ROLES if role in needs and getattr(model, role) is None
    }
    if model.mask is not None:  # of which a trimap will be made
        missing.pop("trimap", None)
    return replace(model, **missing)
