"""Who does a job's tasks: threads of this process, or processes that a recipe is sent to."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from mattecli.engine.pipeline import Stage
from mattecli.errors import UsageError
from mattecli.interruption import Hold
from mattecli.jobs.task import Task
from mattecli.settings import EngineOptions

__all__ = ["PIXELS_UNDER_WAY", "Crew", "CrewFor", "WorkRecipe", "Workbench", "require_crew"]

T = TypeVar("T", bound=Task)

PIXELS_UNDER_WAY = 64_000_000
"""The usual upper bound for pixels of photos in flight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench(Generic[T]):
    """What a recipe has set up to work with: models are loaded, backgrounds are read.

    Attributes:
        stages: what tasks go through.
        facts: what a report says of it: model, device, weights.
        pixels: upper bound for pixels of photos in flight.
        forecast: says how much memory a photo of so many pixels will take, for people.
    """

    stages: Sequence[Stage[T]]
    facts: Mapping[str, object] = field(default_factory=dict)
    pixels: int = PIXELS_UNDER_WAY
    forecast: Callable[[int], str] | None = None


class WorkRecipe(Protocol[T]):
    """How a job's tasks are done: data that can be sent to a process and sets up a bench there."""

    def open(self, workers: int, waiting: Sequence[T]) -> AbstractContextManager[Workbench[T]]:
        """Set up.

        Args:
            workers: threads of a stage.
            waiting: the tasks that are known already; their photos may be decoded ahead.

        Raises:
            UsageError: the options make no sense there.
            ModelUnavailableError: there are no weights for the model there.
        """


class Crew(Protocol):
    """Does tasks elsewhere."""

    def settle(
        self, recipe: WorkRecipe[T], tasks: Sequence[T], hold: Hold, facts: dict[str, object]
    ) -> Generator[T]:
        """Do the tasks, and give each back with its record, in their order.

        Args:
            recipe: sent to where the work is done.
            tasks: none of them settled.
            hold: an interrupt that it has noted ends the work early.
            facts: filled with the first bench's facts before the first task is given back.
        """


class CrewFor(Protocol[T]):
    """A crew for one job's tasks."""

    def settle(
        self, recipe: WorkRecipe[T], tasks: Sequence[T], hold: Hold, facts: dict[str, object]
    ) -> Generator[T]:
        """As ``Crew.settle``."""


def require_crew(engine: EngineOptions, crew: Crew | None) -> None:
    """Refuse to do here what was to be done elsewhere.

    Raises:
        UsageError: another engine is asked for, and no crew for it was given.
    """
    if engine.engine != "local" and crew is None:
        raise UsageError(
            f"--engine {engine.engine} was asked for without a crew",
            remedy="give crew=mattecli.cluster.choice.crew_for(...)",
        )
