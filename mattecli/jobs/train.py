"""Training a network on the user's own pictures."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mattecli.errors import UsageError
from mattecli.training.recipe import Recipe
from mattecli.training.recipes import RECIPES, Material
from mattecli.training.store import build_store
from mattecli.training.trainer import CHECKPOINT, WEIGHTS, Progress, RunSettings, Trainer

__all__ = ["Progress", "TrainOptions", "TrainReport", "adapted", "train", "unless_begun"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainOptions:
    """What to train, on what, and where the results go.

    Attributes:
        recipe: a name in ``RECIPES``.
        data: folder with ``image`` and ``alpha`` (or these in ``train``), optionally ``val`` and
            ``backgrounds``.
        out: folder for checkpoints, weights, log, curves and sheets.
        pretrained: weights of an encoder to begin with, as the recipe says, or None.
        resume: go on where the training in ``out`` stopped.
        seed: of weights and pictures.
        phases: names of the recipe's phases to run; empty for all.
        steps: of each phase instead of the recipe's; 0 keeps them.
        batch: pictures a step instead of the recipe's; 0 keeps it.
        size: side of square pictures instead of the recipe's sizes; 0 keeps them.
        save_every: steps between checkpoints instead of the recipe's; 0 keeps them.
        minutes: stop after so long, resumable; 0 does not.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        bf16: compute in bfloat16 where that is safe.
        workers: processes that make pictures.
    """

    recipe: str
    data: Path
    out: Path
    pretrained: Path | None = None
    resume: bool = False
    seed: int = 1
    phases: tuple[str, ...] = ()
    steps: int = 0
    batch: int = 0
    size: int = 0
    save_every: int = 0
    minutes: float = 0
    device: str = "cpu"
    bf16: bool = True
    workers: int = 1


@dataclass(frozen=True, slots=True)
class TrainReport:
    """How a training ended.

    Attributes:
        finished: whether the recipe's last step was reached.
        step: steps done, in all runs together.
        steps: of the recipe.
        weights: the averaged weights, as safetensors in half precision.
    """

    finished: bool
    step: int
    steps: int
    weights: Path


def train(
    options: TrainOptions,
    report: Callable[[Progress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    reading: Callable[[int, int], None] = lambda _done, _all: None,
) -> TrainReport:
    """Run a recipe, or go on with one.

    Args:
        options: what and where.
        report: called every few steps.
        stop: asked after each step; once it says yes the training is left resumable.
        reading: called with the photos decoded and all of them, before the first step.

    Raises:
        UsageError: no such recipe or phase; or ``out`` holds a training and ``resume`` is not set.
        PairingError: a photo has no alpha.
        ImageReadError: a file cannot be decoded.
        CheckpointError: the checkpoint or the pretrained weights do not fit.
        ResourceError: the loss is not finite any more.
    """
    row = RECIPES.get(options.recipe)
    if row is None:
        raise UsageError(
            f"there is no recipe {options.recipe!r}", remedy=f"choose one of: {', '.join(RECIPES)}"
        )
    settings = RunSettings(
        folder=options.out,
        seed=options.seed,
        resume=options.resume,
        device=options.device,
        bf16=options.bf16,
        workers=options.workers,
    )
    unless_begun(settings)
    material = Material(
        store=build_store(options.data, options.out / "store", reading),
        held_out=options.data / "val",
        pretrained=options.pretrained,
    )
    trainer = Trainer(row.system(material), adapted(row.recipe, options), settings)
    end = time.monotonic() + options.minutes * 60 if options.minutes else float("inf")
    finished = trainer.run(report, lambda: stop() or time.monotonic() >= end)
    return TrainReport(finished, trainer.step, trainer.recipe.steps, options.out / WEIGHTS)


def unless_begun(settings: RunSettings) -> None:
    """Refuse to write over a training.

    Raises:
        UsageError: the folder holds one, and it is not to be resumed.
    """
    if (settings.folder / CHECKPOINT).exists() and not settings.resume:
        raise UsageError(
            f"{settings.folder} already holds a training",
            remedy="add --resume to go on with it, or choose another folder",
        )


def adapted(recipe: Recipe, options: TrainOptions) -> Recipe:
    """``recipe`` with the phases, lengths, batches and sizes that ``options`` ask for.

    Raises:
        UsageError: the recipe has no phase of a given name.
    """
    known = [phase.name for phase in recipe.phases]
    for name in options.phases:
        if name not in known:
            raise UsageError(
                f"the recipe has no phase {name!r}", remedy=f"choose of: {', '.join(known)}"
            )
    side = options.size
    phases = tuple(
        replace(
            phase,
            steps=options.steps or phase.steps,
            batch=options.batch or phase.batch,
            sizes=((side, side),) if side else phase.sizes,
        )
        for phase in recipe.phases
        if not options.phases or phase.name in options.phases
    )
    every = options.save_every or recipe.save_every
    log_every = min(recipe.log_every, every)
    return replace(recipe, phases=phases, save_every=every, log_every=log_every)
