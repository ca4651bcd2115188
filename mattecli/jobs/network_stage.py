"""The stage in which a network sees several photos or frames at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from mattecli.engine.estimator import Estimator, Prepared
from mattecli.engine.pipeline import Stage

__all__ = ["network_stage"]

T = TypeVar("T")


def network_stage(
    name: str,
    estimator: Estimator,
    work: Callable[[Sequence[T]], None],
    prepared: Callable[[T], Prepared | None],
) -> Stage[T]:
    """A stage that takes items of equal shape together, as many as the estimator's batch.

    Args:
        name: of the stage.
        estimator: says how many batches may be in it at once.
        work: on one batch.
        prepared: what of an item waits for the network; None: nothing does.
    """

    def shape(item: T) -> tuple[int, ...] | None:
        waiting = prepared(item)
        return None if waiting is None else waiting.shape

    return Stage(name=name, work=work, workers=estimator.lanes, group=estimator.batch, key=shape)
