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
"""Of photos that may be under way at once, at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench(Generic[T]):
    """What a recipe needs to work: models are loaded, backgrounds are read.

    Attributes:
        stages: what tasks go through.
        facts: what a report says of what is there: model, device, weights.
        pixels: of photos that may be under way at once.
        forecast: what a photo of so many pixels will take of memory, for people.
    """

    stages: Sequence[Stage[T]]
    facts: Mapping[str, object] = field(default_factory=dict)
    pixels: int = PIXELS_UNDER_WAY
    forecast: Callable[[int], str] | None = None


class WorkRecipe(Protocol[T]):
    """How a job's tasks are done: data that can be sent, and that sets up a bench anywhere."""

    def open(self, workers: int, waiting: Sequence[T]) -> AbstractContextManager[Workbench[T]]:
        """Set up.

        Args:
            workers: threads of a stage.
            waiting: the tasks, as far as they are known; work on them may begin.

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
            hold: a noted interrupt ends the tasks early.
            facts: filled with those of the first bench, before the first task is given back.
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
        UsageError: another engine is asked for, and nobody for it was given.
    """
    if engine.engine != "local" and crew is None:
        raise UsageError(
            f"--engine {engine.engine} was asked for without a crew",
            remedy="give crew=mattecli.cluster.choice.crew_for(...)",
        )
