"""The one training loop: every system, resumable to the step."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mattecli.engine.allocator import keep_freed_memory
from mattecli.errors import CheckpointError, ResourceError, UsageError
from mattecli.media.leftovers import remove_leftovers
from mattecli.models.checkpoint import Checkpoint
from mattecli.training.average import WeightAverage
from mattecli.training.checkpoint import (
    TrainingState,
    begun_with,
    read_training_state,
    told_options,
    write_training_state,
    write_weights,
)
from mattecli.training.feed import BatchMaker, feed
from mattecli.training.journal import Journal, draw_curves
from mattecli.training.means import RowMeans
from mattecli.training.optimise import bound_gradients, make_optimiser
from mattecli.training.recipe import Phase, Recipe, rate_at
from mattecli.training.sheet import write_sheet
from mattecli.training.system import Batch, Moment, System

__all__ = ["Progress", "RunSettings", "Trainer"]

CHECKPOINT = "checkpoint.safetensors"
WEIGHTS = "weights.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Where and on what a training runs; nothing here changes what is learnt on one device.

    Attributes:
        folder: for checkpoints, log, curves and sheets.
        seed: of weights and pictures.
        resume: go on from the folder's checkpoint, where there is one.
        device: of the network.
        bf16: compute in bfloat16 where autocast deems it safe.
        workers: processes that make pictures.
    """

    folder: Path
    seed: int = 1
    resume: bool = False
    device: str = "cpu"
    bf16: bool = True
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training has come.

    Attributes:
        step: steps done.
        steps: of the whole recipe.
        phase: name of the current phase.
        loss: mean over the steps of the log's last row.
        rate: pictures a second, likewise.
    """

    step: int
    steps: int
    phase: str
    loss: float
    rate: float


class Trainer:
    """Runs a recipe.

    Args:
        system: what is trained.
        recipe: how.
        settings: where.
        weights: trained weights to begin with, unless a training is resumed.
    """

    def __init__(
        self,
        system: System,
        recipe: Recipe,
        settings: RunSettings,
        weights: Checkpoint | None = None,
    ) -> None:
        self.system, self.recipe, self.settings = system, recipe, settings
        self._device = torch.device(settings.device)
        network = system.network(settings.seed)
        if settings.device == "cpu":
            keep_freed_memory()
            system.quicken(network)
        if weights is not None:
            _begin(system, network, weights)
        network = network.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's hints lack it
        optimiser = make_optimiser(recipe, network)
        self._state = TrainingState(network, optimiser, WeightAverage(network, recipe.average))
        settings.folder.mkdir(parents=True, exist_ok=True)
        remove_leftovers(settings.folder)  # a killed run may leave a checkpoint half written
        self.step = 0
        if settings.resume:
            self.step = self._resumed()
        self._log = Journal(settings.folder / "log.csv", self.step)
        self._checks = Journal(settings.folder / "checks.csv", self.step)
        self._row = RowMeans()

    def run(
        self,
        report: Callable[[Progress], None] = lambda _: None,
        stop: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Train to the end of the recipe.

        Args:
            report: called after each row of the log.
            stop: asked after each step; once it says yes a checkpoint is written and this ends.

        Returns:
            Whether the end was reached.

        Raises:
            ResourceError: the loss is not finite any more.
        """
        maker = BatchMaker(self.recipe, self.system.sampler(), self.settings.seed)
        steps = range(self.step, self.recipe.steps)
        pinned = self._device.type == "cuda"
        with closing(feed(maker, steps, self.settings.workers, pinned=pinned)) as batches:
            for batch in batches:
                self._advance(batch)
                if self.step % self.recipe.log_every == 0:
                    report(self._logged())
                self._keep()
                if stop() and self.step < self.recipe.steps:
                    self._save()
                    return False
        if not steps:
            self._save()
        return True

    def _advance(self, batch: Batch) -> None:
        """One update of the weights."""
        moment = Moment(*self.recipe.position(self.step))
        phase, network, optimiser = moment.phase, self._state.network, self._state.optimiser
        network.train()
        torch.manual_seed(self.settings.seed * 2**32 + self.step)  # dropout and its like
        if moment.step == 0:
            self._enter(phase)
        for group in optimiser.param_groups:
            factor = phase.factor(group["name"])
            group["lr"] = rate_at(phase.rate, moment.step, phase.steps) * factor
            for parameter in group["params"]:
                parameter.requires_grad_(factor > 0)
        moved = {name: value.to(self._device, non_blocking=True) for name, value in batch.items()}
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.settings.bf16):
            terms = self.system.losses(network, moved, moment)
        loss = torch.stack(list(terms.values())).sum()
        if not torch.isfinite(loss):
            raise ResourceError(
                f"the loss is not finite at step {self.step}",
                path=self.settings.folder,
                remedy="resume with a lower learning rate or without bf16",
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call] # torch leaves it untyped
        norm = bound_gradients(network, self.recipe.optimiser)
        optimiser.step()
        self._state.average.update(network, moment.step)
        self._row.add({"loss": loss} | terms | {"gradient": norm}, phase.batch)
        self.step += 1

    def _enter(self, phase: Phase) -> None:
        self.system.enter(self._state.network, phase)
        if phase.restart:
            self._state.optimiser.state.clear()

    def _logged(self) -> Progress:
        phase, _ = self.recipe.position(self.step - 1)
        rate = max(group["lr"] for group in self._state.optimiser.param_groups)
        values = self._row.finish()
        self._log.add({"step": self.step, "phase": phase.name, "rate": rate, **values})
        speed = values["pictures_per_second"]
        return Progress(self.step, self.recipe.steps, phase.name, values["loss"], speed)

    def _keep(self) -> None:
        """Save, validate and draw when it is time."""
        recipe, folder = self.recipe, self.settings.folder
        if self.step % recipe.save_every == 0 or self.step == recipe.steps:
            self._save()
            draw_curves(folder / "log.csv", folder / "curves.png")
        if self.step % recipe.check_every == 0:
            thorough = self.step % (10 * recipe.check_every) == 0 or self.step == recipe.steps
            phase, _ = recipe.position(self.step - 1)
            figures = self.system.evaluate(self._state.average.state, phase, thorough=thorough)
            if figures:
                self._checks.add({"step": self.step, **figures})
                draw_curves(folder / "checks.csv", folder / "checks.png")
        if self.step % recipe.sheet_every == 0:
            panels = self.system.panels(self._state.average.state)
            write_sheet(folder / f"sheet_{self.step:07d}.png", panels)

    def _facts(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "seed": self.settings.seed,
            "system": self.recipe.system,
            "begun_with": dict(self.system.begun_with),
            "options": dict(self.system.options),
        }

    def _save(self) -> None:
        folder = self.settings.folder
        write_training_state(folder / CHECKPOINT, self._state, self._facts())
        phase, _ = self.recipe.position(max(self.step - 1, 0))
        weights = self.system.exported(self._state.average.state, phase)
        write_weights(folder / WEIGHTS, weights, self._facts())

    def _resumed(self) -> int:
        path = self.settings.folder / CHECKPOINT
        if not path.exists():
            return 0
        facts = read_training_state(path, self._state)
        mine = self._facts()
        if any(facts.get(name) != mine[name] for name in ("system", "seed")):
            raise UsageError(
                f"belongs to a training of {facts.get('system')} with seed {facts.get('seed')}",
                path=path,
                remedy="use that system and seed, or another folder",
            )
        self.system.begun_with = begun_with(
            path, facts.get("begun_with", mine["begun_with"]), mine["begun_with"]
        )
        self.system.options = told_options(path, facts.get("options", dict(self.system.options)))
        step = int(facts["step"])
        if step > self.recipe.steps:
            raise UsageError(
                f"has done {step} steps, more than the {self.recipe.steps} that are asked for",
                path=path,
                remedy="ask for more, or choose another folder",
            )
        return step


def _begin(system: System, network: nn.Module, weights: Checkpoint) -> None:
    """Put the weights of a file into ``network``; an error names the file."""
    try:
        system.begin(network, weights.state)
    except CheckpointError as error:
        error.path = weights.path
        raise
