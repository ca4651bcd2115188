"""Adapting MODNet to the user's own unlabelled photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from mattecli.errors import InputError
from mattecli.jobs.train import TrainReport, unless_begun
from mattecli.training.modnet import SHORT_SIDE
from mattecli.training.soc import SOCSystem, soc_recipe
from mattecli.training.store import image_files
from mattecli.training.trainer import WEIGHTS, Progress, RunSettings, Trainer

__all__ = ["AdaptOptions", "adapt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptOptions:
    """What to adapt to, and how long.

    Attributes:
        photos: folder of photos, or of a clip's frames.
        out: folder for checkpoints, weights, log and a sheet of mattes before and after.
        epochs: each sees as many photos as there are.
        rate: learning rate.
        size: shorter side at which the network sees a photo, a multiple of 32.
        resume: go on where the adaptation in ``out`` stopped.
        seed: of the order of the photos.
        device: ``cpu``, ``cuda`` or ``cuda:N``.
        bf16: compute in bfloat16 where that is safe.
        workers: processes that read photos.
    """

    photos: Path
    out: Path
    epochs: int = 10
    rate: float = 1e-5
    size: int = SHORT_SIDE
    resume: bool = False
    seed: int = 1
    device: str = "cpu"
    bf16: bool = True
    workers: int = 1


def adapt(
    options: AdaptOptions,
    weights: dict[str, Tensor],
    report: Callable[[Progress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainReport:
    """Adapt a MODNet.

    Args:
        options: what to and how long.
        weights: of the network to begin with, under published names.
        report: called every few steps.
        stop: asked after each step; once it says yes the adaptation is left resumable.

    Raises:
        InputError: there are no photos.
        UsageError: ``out`` holds a training and ``resume`` is not set.
        ImageReadError: a photo cannot be decoded.
        CheckpointError: the weights are no MODNet's, or the checkpoint does not fit.
    """
    photos = image_files(options.photos)
    if not photos:
        raise InputError("has no photos", path=options.photos, remedy="name a folder of photos")
    settings = RunSettings(
        folder=options.out,
        seed=options.seed,
        resume=options.resume,
        device=options.device,
        bf16=options.bf16,
        workers=options.workers,
    )
    unless_begun(settings)
    recipe = soc_recipe(len(photos), options.epochs, options.rate, options.size)
    trainer = Trainer(SOCSystem(photos, weights), recipe, settings)
    finished = trainer.run(report, stop)
    return TrainReport(finished, trainer.step, recipe.steps, options.out / WEIGHTS)
