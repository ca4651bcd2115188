"""Adapting MODNet to the user's own unlabelled photos."""

from __future__ import annotations

from collections.abc import Callable

from mattecli.errors import InputError, UsageError
from mattecli.jobs.models import find_target, weights_path
from mattecli.jobs.train import (
    TrainReport,
    alone_in,
    check_not_negative,
    on_this_machine,
    refuse_begun,
    run_settings,
    time_limit,
)
from mattecli.models.weights import LARGEST_SIDE, load_network
from mattecli.settings.train import AdaptOptions
from mattecli.training.pictures import image_files, pictures_digest
from mattecli.training.soc import SOCSystem, soc_recipe
from mattecli.training.trainer import WEIGHTS, Progress, Trainer

__all__ = ["AdaptOptions", "adapt"]

_LEAST_SIDE = 32  # that the network sees


def adapt(
    options: AdaptOptions,
    report: Callable[[Progress], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
) -> TrainReport:
    """Adapt a MODNet.

    Args:
        options: what, what to, and how long.
        report: called every few steps.
        stop: asked after each step; once it says yes the adaptation is left resumable.

    Raises:
        InputError: there are no photos.
        UsageError: the model is no MODNet, or ``output`` holds a training and ``resume`` is not
            set.
        ModelUnavailableError: there are no weights to begin with.
        ImageReadError: a photo cannot be decoded.
        CheckpointError: the weights are no MODNet's, or the checkpoint does not fit.
        ResourceError: memory or disk do not suffice.
    """
    spec = find_target(options.model).spec
    if spec.system != "modnet":
        raise UsageError(
            f"--model {options.model} cannot be adapted", remedy="choose modnet or a variant of it"
        )
    check_not_negative({"--minutes": options.run.minutes, "--workers": options.run.workers})
    options = on_this_machine(options)
    _check(options)
    photos = image_files(options.photos)
    if not photos:
        raise InputError("has no photos", path=options.photos, remedy="name a folder of photos")
    settings = run_settings(options.output, options.run)
    refuse_begun(settings)
    weights = options.weights or weights_path(options.model)
    loaded = load_network(spec, weights)
    state, size = loaded.network.state_dict(), options.size or loaded.spec.size
    begun_with = {
        "files": pictures_digest(options.photos)[:12],
        "rate": f"{options.rate:g}",
        "weights": loaded.sha256[:12],
    }
    recipe = soc_recipe(len(photos), options.epochs, options.rate, size)
    with alone_in(options.output):
        system = SOCSystem(photos, state, size, begun_with)
        trainer = Trainer(system, recipe, settings)
        finished = trainer.run(report, time_limit(options.run, stop))
    return TrainReport(finished, trainer.step, recipe.steps, options.output / WEIGHTS)


def _check(options: AdaptOptions) -> None:
    """Refuse what makes no sense."""
    if options.epochs < 1:
        raise UsageError(f"--epochs {options.epochs} makes no sense", remedy="give 1 or more")
    if not 0 < options.rate < 1:
        raise UsageError(f"--rate {options.rate:g} makes no sense", remedy="give 1e-5 or so")
    if options.size and not _LEAST_SIDE <= options.size <= LARGEST_SIDE:
        raise UsageError(
            f"--size {options.size} makes no sense",
            remedy=f"give {_LEAST_SIDE} to {LARGEST_SIDE}, or 0 for the weights' own",
        )
    if options.output.resolve() == options.photos.resolve():
        raise UsageError("--output would be among the photos", remedy="choose another folder")
