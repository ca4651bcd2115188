"""Which pictures an evaluation compares."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from mattecli.errors import MattecliError, PairingError, UsageError
from mattecli.jobs.plan import pair
from mattecli.jobs.task import Task
from mattecli.media.earlier import outputs_of_kind
from mattecli.media.paths import is_folder, is_there
from mattecli.media.sources import InputRequest, Source, find_inputs
from mattecli.media.stores.place import as_path
from mattecli.ops.scoring import Scores
from mattecli.records import ItemRecord, Status
from mattecli.settings.evaluate import PairOptions

__all__ = ["EvaluationTask", "plan_evaluation"]


@dataclass(slots=True, eq=False, kw_only=True)
class EvaluationTask(Task):
    """One prediction on its way to its scores.

    Attributes:
        index: its number among the pictures of its folder, from 0: the frame of a clip.
        before: the frame before, where pictures are frames.
        scores: what was measured.
    """

    index: int = 0
    before: EvaluationTask | None = None
    scores: Scores = field(default_factory=dict)

    def record(self, status: Status) -> ItemRecord:
        """The account of this task, with its scores."""
        # Slots make a second class, which a bare super() does not know.
        return replace(super(EvaluationTask, self).record(status), scores=self.scores)


def plan_evaluation(options: PairOptions) -> list[EvaluationTask]:
    """Predictions with their partners; then each truth without a prediction.

    What lacks a partner is settled as a failure.

    Raises:
        UsageError: a folder or file that was given is not there.
    """
    sources = outputs_of_kind(_found(options.pred, options), "alpha")
    tasks = [_task(source, place) for place, source in enumerate(sources)]
    pair(tasks, "truth", options.truth, named="alpha")
    pair(tasks, "trimap", options.trimap, named="trimap")
    pair(tasks, "foreground", options.foreground, named="foreground")
    pair(tasks, "true foreground", options.true_foreground, named="foreground")
    for task in tasks:
        _settle_unmatched(task)
    _link_frames(tasks)
    if is_folder(as_path(options.pred)) and is_folder(as_path(options.truth)):
        tasks += _missing(tasks, outputs_of_kind(_found(options.truth, options), "alpha"))
    return tasks


def _found(given: str, options: PairOptions) -> list[Source]:
    sources = find_inputs(InputRequest(paths=(given,), recursive=options.recursive))
    named = as_path(given)
    for source in sources:
        is_file = source.path == named and not source.is_stdin and source.error is None
        if is_file and not is_there(source.path):
            raise UsageError("there is no such file", path=source.path, remedy="check the name")
    return sources


def _task(source: Source, place: int) -> EvaluationTask:
    return EvaluationTask(source=source, outputs={}, format="", place=place)


def _settle_unmatched(task: EvaluationTask) -> None:
    companions = [found for found in task.companions.values() if isinstance(found, MattecliError)]
    error = task.source.error or next(iter(companions), None)
    if error is not None:
        task.settled = task.failure(error)


def _link_frames(tasks: Sequence[EvaluationTask]) -> None:
    """Number the pictures of each folder, and tell each the one before it."""
    last: dict[Path, EvaluationTask] = {}
    for task in tasks:
        task.before = last.get(task.source.path.parent)
        task.index = 0 if task.before is None else task.before.index + 1
        last[task.source.path.parent] = task


def _missing(tasks: Sequence[EvaluationTask], truths: Sequence[Source]) -> Iterator[EvaluationTask]:
    """Failures for truths that no prediction belongs to: a mean without them would flatter."""
    used = {task.companions["truth"] for task in tasks}
    left = (truth for truth in truths if truth.error is None and truth.path not in used)
    for place, truth in enumerate(left, start=len(tasks)):
        error = PairingError(
            "there is no prediction for it",
            path=truth.path,
            remedy="add one, or take it out of the true mattes",
        )
        task = _task(truth, place)
        task.settled = task.failure(error)
        yield task
