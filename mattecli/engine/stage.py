"""The parts of a pipeline: its stages, their outcomes, and what may end work early."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from mattecli.interruption import Hold

__all__ = ["Control", "Limit", "Outcome", "Stage"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage(Generic[T]):
    """One step of the pipeline.

    Attributes:
        name: key of its time in an outcome's ``seconds``.
        work: called with a group of 1 to ``group`` items of equal ``key``; changes them in place.
            An exception fails every item of the group.
        workers: number of threads.
        group: the largest group.
        key: items with equal keys may share a group.
    """

    name: str
    work: Callable[[Sequence[T]], None]
    workers: int = 1
    group: int = 1
    key: Callable[[T], Hashable] = field(default=lambda _item: None)


@dataclass(slots=True)
class Outcome(Generic[T]):
    """What became of one item.

    Attributes:
        item: the item as the last stage left it.
        error: what a stage raised, or None.
        seconds: time spent by stage name; a group's time is shared equally.
    """

    item: T
    error: Exception | None = None
    seconds: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit(Generic[T]):
    """How long one item may take, not counting waits for its turn.

    Attributes:
        seconds: in all stages together; a group's time is shared equally.
        give_up: asked, from another thread, before an item is given up; False lets it finish.
        error: makes the error of an item that was given up.
    """

    seconds: float
    give_up: Callable[[T], bool]
    error: Callable[[T], Exception]


@dataclass(frozen=True, slots=True, kw_only=True)
class Control(Generic[T]):
    """What may end a pipeline's work early.

    Attributes:
        hold: an interrupt that it notes ends the wait for the next outcome, and the iterator.
        limit: how long one item may take; None: as long as it likes.
    """

    hold: Hold | None = None
    limit: Limit[T] | None = None
