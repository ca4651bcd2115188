"""The job behind ``mattecli evaluate``: alpha mattes and the true ones in, scores out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from mattecli.engine.pipeline import Stage
from mattecli.errors import InputError, MattecliError, TrimapError, UsageError, shown_path
from mattecli.jobs.evaluation_plan import EvaluationTask, plan_evaluation
from mattecli.jobs.runner import Observer, Silent, Work, each, run_tasks, worker_count
from mattecli.jobs.worst import WorstCases
from mattecli.media.evaluation import Evaluation, csv_text, json_lines, json_text, settings_of
from mattecli.media.evaluation_html import html_evaluation
from mattecli.media.files import write_atomically
from mattecli.media.images import read_levels, read_matte, read_picture
from mattecli.media.stores.place import as_path
from mattecli.media.thumbnails import THUMBNAIL_SIDE, fitted, thumbnail
from mattecli.ops.error_map import error_map
from mattecli.ops.metrics import ImagePair, Mask
from mattecli.ops.pixels import to_levels
from mattecli.ops.protocols import Protocol, protocol_for
from mattecli.ops.scoring import Sample, Scores, mean_scores, score
from mattecli.ops.trimap import BACKGROUND, FOREGROUND, UNKNOWN
from mattecli.records import Array, Size
from mattecli.settings.evaluate import EvaluateOptions

__all__ = ["evaluate_mattes"]

_WRITERS: Mapping[str, Callable[[Evaluation], str]] = MappingProxyType(
    {".csv": csv_text, ".json": json_text, ".jsonl": json_lines, ".html": html_evaluation}
)
_SLACK = 0.01  # that floats may lie beyond 0 and 1, as filters leave them
_PICTURED = 200  # worst cases that the page shows in pictures, at about 10 kB each


def evaluate_mattes(options: EvaluateOptions, observer: Observer | None = None) -> Evaluation:
    """Score predictions against the truth, and write the reports.

    A pair that cannot be scored (sizes differ, no partner, no unknown pixels, no image) is a
    failure of its own: it is recorded with its reason and left out of the means.

    Args:
        options: what to compare, and by which protocol.
        observer: is told of each pair as it ends.

    Returns:
        All scores; ``exit_code`` is 1 where something failed.

    Raises:
        UsageError: the options make no sense together, or what they name is not there.
        ImageWriteError: a report cannot be written.
    """
    protocol = _protocol(options)
    writers = _writers(options.run.report)
    tasks = plan_evaluation(options.pair)
    pictured = any(path.suffix.lower() == ".html" for path in writers)
    worst = WorstCases(_PICTURED if pictured else 0)
    steps = _Steps(options, protocol, worst)
    stage = Stage(name="score", work=each(steps.score), workers=worker_count(options.run))
    work = Work(
        tasks=tasks,
        stages=[stage],
        settings=settings_of(protocol),
        means=lambda: _means(tasks, protocol),
    )
    report = run_tasks(work, replace(options.run, report=()), observer or Silent())
    # Those that the report counts; after an interrupt, only what had ended or was settled before.
    reached = [(task.place, task.settled) for task in tasks if task.settled is not None]
    thumbs = worst.thumbs()
    evaluation = Evaluation(
        protocol=protocol,
        records=tuple(record for _, record in reached),
        sort_by=options.score.sort_by,
        report=report,
        thumbs={row: thumbs[place] for row, (place, _) in enumerate(reached) if place in thumbs},
    )
    if not options.run.dry_run:
        for path, writer in writers.items():
            write_atomically(as_path(path), writer(evaluation).encode("utf-8", "backslashreplace"))
    return evaluation


def _protocol(options: EvaluateOptions) -> Protocol:
    """The measures that the options ask for.

    Raises:
        UsageError: the options contradict each other.
    """
    given, wish = options.pair, options.score
    if (given.foreground is None) != (given.true_foreground is None):
        raise UsageError("--foreground and --true-foreground belong together")
    region = wish.region if wish.region != "auto" else None
    if wish.protocol == "plain" and region is None and given.trimap is not None:
        region = "unknown"
    protocol = protocol_for(
        wish.protocol, region=region, frames=wish.frames, colors=given.foreground is not None
    )
    if protocol.needs_trimap and given.trimap is None:
        raise UsageError(
            f"protocol {protocol.name} counts unknown pixels here", remedy="give --trimap"
        )
    if given.trimap is not None and not protocol.needs_trimap:
        raise UsageError(
            f"protocol {protocol.name} counts the whole picture here",
            remedy="leave --trimap out",
        )
    if wish.sort_by not in {measure.metric for measure in protocol.measures}:
        raise UsageError(f"--sort-by {wish.sort_by} is not measured by protocol {protocol.name}")
    return protocol


def _writers(paths: Sequence[Path]) -> dict[Path, Callable[[Evaluation], str]]:
    for path in paths:
        if path.suffix.lower() not in _WRITERS:
            endings = ", ".join(_WRITERS)
            raise UsageError("is no kind of report", path=path, remedy=f"end it in {endings}")
    return {path: _WRITERS[path.suffix.lower()] for path in paths}


def _means(tasks: Sequence[EvaluationTask], protocol: Protocol) -> Scores:
    done = [task for task in tasks if task.settled is not None and task.settled.status == "done"]
    if not protocol.by_frame_index:
        return mean_scores(task.scores for task in done)
    clips: dict[int, list[Scores]] = defaultdict(list)
    for task in done:
        clips[task.index].append(task.scores)
    return mean_scores(mean_scores(frames) for frames in clips.values())


class _Steps:
    """What is done with one pair."""

    def __init__(self, options: EvaluateOptions, protocol: Protocol, worst: WorstCases) -> None:
        self._frames = options.score.frames
        self._sort_by = options.score.sort_by
        self._max_pixels = options.pair.max_pixels
        self._protocol = protocol
        self._worst = worst

    def score(self, task: EvaluationTask) -> None:
        """Read all that belongs to a prediction, score it, and offer its pictures to the page."""
        alpha = self._alpha(task)
        task.size = Size.of(alpha.truth)
        sample = Sample(
            alpha=alpha,
            trimap=self._trimap(task),
            before=self._before(task),
            colors=self._colors(task),
        )
        task.scores = score(sample, self._protocol)
        badness = self._protocol.measure(self._sort_by).badness(task.scores[self._sort_by])
        self._worst.offer(task.place, badness, lambda: _thumbs(alpha))

    def _alpha(self, task: EvaluationTask) -> ImagePair:
        truth = task.companion("truth")
        pred = read_matte(task.source.content(), max_pixels=self._max_pixels)
        known = read_matte(truth, max_pixels=self._max_pixels)
        for found, path in ((pred, task.source.path), (known, truth)):
            _require_alpha(found.values, path)
            if found.is_colour:
                note = f"{shown_path(path)} is in colour: its brightness counts as alpha"
                task.notes += [note] if note not in task.notes else []
        return ImagePair.of(pred.values, known.values)

    def _trimap(self, task: EvaluationTask) -> Mask | None:
        if not self._protocol.needs_trimap:
            return None
        path = task.companion("trimap")
        trimap: Mask = to_levels(read_levels(path, max_pixels=self._max_pixels), np.uint8)
        counts = {
            level: np.count_nonzero(trimap == level) for level in (BACKGROUND, UNKNOWN, FOREGROUND)
        }
        stray = trimap.size - sum(counts.values())
        if not counts[UNKNOWN]:
            raise TrimapError(
                f"no pixel of the trimap is unknown ({UNKNOWN})",
                path=path,
                remedy="see 'mattecli trimap --repair'" if stray else "",
            )
        if stray:
            task.notes.append(f"{stray} pixels of its trimap are not 0, 128 or 255: not unknown")
        return trimap

    def _before(self, task: EvaluationTask) -> ImagePair | None:
        if not self._frames or task.before is None:
            return None
        try:
            return self._alpha(task.before)
        except MattecliError as error:
            raise InputError(f"its dtSSD needs the frame before; {error}") from error

    def _colors(self, task: EvaluationTask) -> ImagePair | None:
        if "foreground" not in task.companions:
            return None
        pred, truth = (
            read_picture(task.companion(role), max_pixels=self._max_pixels).color
            for role in ("foreground", "true foreground")
        )
        return ImagePair.of(pred, truth)


def _require_alpha(image: Array, path: Path) -> None:
    """Refuse floats that are not 0..1: they were written without being divided by their white.

    Raises:
        InputError: these are such.
    """
    if image.dtype.kind == "f" and not (image.min() >= -_SLACK and image.max() <= 1 + _SLACK):
        raise InputError(
            f"has floats from {image.min():g} to {image.max():g}, no alpha of 0 to 1",
            path=path,
            remedy="divide them by their white, or write whole numbers",
        )


def _thumbs(pair: ImagePair) -> dict[str, bytes]:
    """Pictures for the page, by caption."""
    size = fitted(Size.of(pair.truth), THUMBNAIL_SIDE)
    return {
        "prediction": thumbnail(pair.pred),
        "truth": thumbnail(pair.truth),
        "error (red: too opaque, blue: too transparent)": thumbnail(error_map(pair, size)),
    }
