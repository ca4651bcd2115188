"""Training a network on the user's own pictures."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from mattecli.engine.devices import find_devices
from mattecli.errors import UsageError
from mattecli.media.stores.place import as_path, is_stored
from mattecli.models.checkpoint import read_checkpoint
from mattecli.models.registry import find_spec
from mattecli.models.weights import SHORT_SIDE, size_of_weights
from mattecli.settings.common import DeviceOptions
from mattecli.settings.train import AdaptOptions, LearnOptions, TrainOptions
from mattecli.training.recipe import Recipe
from mattecli.training.recipes import RECIPES, Material
from mattecli.training.store import build_store
from mattecli.training.trainer import CHECKPOINT, WEIGHTS, Progress, RunSettings, Trainer

__all__ = [
    "Progress",
    "TrainOptions",
    "TrainReport",
    "adapted",
    "alone_in",
    "check_not_negative",
    "on_this_machine",
    "refuse_begun",
    "run_settings",
    "time_limit",
    "train",
]


_SEEDS = 2**31

AnyOptions = TypeVar("AnyOptions", TrainOptions, AdaptOptions)


@dataclass(frozen=True, slots=True)
class TrainReport:
    """How a training ended.

    Attributes:
        finished: whether the recipe's last step was reached.
        step: steps done, in all runs together.
        steps: of the recipe.
        weights: the averaged weights, as safetensors, in half precision where that holds them.
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
        UsageError: no such recipe, phase or data, or two pictures of one stem; or ``output`` holds
            a training and ``resume`` is not set, or it was begun otherwise.
        PairingError: a photo has no alpha.
        ImageReadError: a file cannot be decoded.
        CheckpointError: the checkpoint or the pretrained weights do not fit.
        ResourceError: the loss is not finite any more, or memory or disk do not suffice.
    """
    row = RECIPES.get(options.recipe)
    if row is None:
        raise UsageError(
            f"there is no recipe {options.recipe!r}", remedy=f"choose one of: {', '.join(RECIPES)}"
        )
    options = on_this_machine(options)
    if not options.data.is_dir():
        raise UsageError("there is no such folder", path=options.data, remedy="check --data")
    recipe = adapted(row.recipe, options)
    settings = run_settings(options.output, options.run)
    refuse_begun(settings)
    weights = read_checkpoint(options.weights) if options.weights else None
    inherited = _inherited(options)
    with alone_in(options.output):
        material = Material(
            store=build_store(options.data, options.output / "store", reading, options.run.workers),
            held_out=options.data / "val",
            pretrained=options.pretrained,
        )
        system = row.system(material)
        system.options = {**system.options, **inherited}
        if weights is not None:
            system.begun_with = {"weights": weights.sha256[:12]}
        trainer = Trainer(system, recipe, settings, weights)
        finished = trainer.run(report, time_limit(options.run, stop))
    return TrainReport(finished, trainer.step, recipe.steps, options.output / WEIGHTS)


def _inherited(options: TrainOptions) -> dict[str, str]:
    """Options that new weights inherit from the weights they start from: the short side shown to
    the network.
    """
    spec = find_spec(options.recipe)
    if options.weights is None or spec.size_rule != "short-side":
        return {}
    return {SHORT_SIDE: str(size_of_weights(spec, options.weights))}


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a folder, which is made.

    Raises:
        UsageError: one is at work there, or it is a file.
    """
    from filelock import FileLock, Timeout

    if folder.exists() and not folder.is_dir():
        raise UsageError("it is no folder", path=folder, remedy="name a folder as --output")
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"another training is at work in {folder}", remedy="choose another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


def on_this_machine(options: AnyOptions) -> AnyOptions:
    """``options`` with ``file://`` URLs as paths.

    Raises:
        UsageError: a path leads to an object store, which is no place to train in.
    """
    paths: dict[str, Any] = {
        field.name: as_path(path)
        for field in fields(options)
        if isinstance(path := getattr(options, field.name), Path)
    }
    for path in paths.values():
        if is_stored(path):
            raise UsageError(
                "training takes files and folders of this machine only",
                path=path,
                remedy="copy what is read here first, and what was made there afterwards",
            )
    return replace(options, **paths)


def run_settings(folder: Path, options: LearnOptions) -> RunSettings:
    """What the trainer needs to know of ``options``.

    Raises:
        UsageError: a device that was asked for is not there, or a seed or name makes no sense.
    """
    if not 0 <= options.seed < _SEEDS:
        raise UsageError(f"--seed {options.seed} makes no sense", remedy=f"give 0 to {_SEEDS - 1}")
    try:
        str(folder).encode()
    except UnicodeEncodeError:
        raise UsageError(
            "the output folder's name is not UTF-8", path=folder, remedy="choose another"
        ) from None
    (device,) = find_devices(DeviceOptions(device=options.device))
    return RunSettings(
        folder=folder,
        seed=options.seed,
        resume=options.resume,
        device=str(device),
        bf16=options.precision == "bf16",
        workers=options.workers,
    )


def time_limit(options: LearnOptions, stop: Callable[[], bool]) -> Callable[[], bool]:
    """Whether ``stop`` says so, or the minutes, counted from now, are over."""
    end = time.monotonic() + options.minutes * 60 if options.minutes else float("inf")
    return lambda: stop() or time.monotonic() >= end


def refuse_begun(settings: RunSettings) -> None:
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
        UsageError: the recipe has no phase of a given name, or a number makes no sense for it.
    """
    _check_numbers(recipe, options)
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


def check_not_negative(numbers: Mapping[str, float]) -> None:
    """Numbers by option name.

    Raises:
        UsageError: one is below 0, or not finite.
    """
    for name, value in numbers.items():
        if not 0 <= value < math.inf:
            raise UsageError(f"{name} {value:g} makes no sense", remedy="give 0 or more")


def _check_numbers(recipe: Recipe, options: TrainOptions) -> None:
    check_not_negative(
        {
            "--steps": options.steps,
            "--batch": options.batch,
            "--size": options.size,
            "--save-every": options.save_every,
            "--minutes": options.run.minutes,
            "--workers": options.run.workers,
        }
    )
    if options.size % recipe.multiple:
        raise UsageError(
            f"--size {options.size} is not for {recipe.system}",
            remedy=f"give a multiple of {recipe.multiple}",
        )
    if 0 < options.batch < recipe.least_batch:
        raise UsageError(
            f"--batch {options.batch} is not for {recipe.system}",
            remedy=f"give {recipe.least_batch} or more",
        )
