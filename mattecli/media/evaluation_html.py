"""An evaluation as a page, worst pictures first."""

from __future__ import annotations

from collections.abc import Sequence

from mattecli.media.evaluation import Evaluation, shown_score
from mattecli.media.html_page import article, fold, heading, page, paged, paragraphs, picture, table
from mattecli.records import ItemRecord

__all__ = ["html_evaluation"]


def html_evaluation(evaluation: Evaluation) -> str:
    """The page: what was measured, the means, what failed, the worst pictures, all numbers."""
    records = evaluation.records
    order = evaluation.worst_first
    failed = [record for record in records if record.status == "failed"]
    pictured = [place for place in order if place in evaluation.thumbs]
    sections = [
        table(
            ("metric", "mean", "definition"),
            (
                (measure.metric, shown_score(_mean(evaluation, measure.metric)), measure.definition)
                for measure in evaluation.protocol.measures
            ),
        ),
        paragraphs(evaluation.protocol.conventions),
        heading(f"Not scored: {len(failed)} of {len(records)}") if failed else "",
        paged([_failed_row(record) for record in failed]),
        heading(f"Worst by {evaluation.sort_by}: {len(pictured)} of {len(order)}"),
        paged([_worst_row(evaluation, place) for place in pictured]),
        fold("All scores", _score_table(evaluation, order), opened=not pictured),
    ]
    return page(f"Evaluation by protocol {evaluation.protocol.name}", sections)


def _mean(evaluation: Evaluation, metric: str) -> float | None:
    return evaluation.report.means.get(metric)


def _failed_row(record: ItemRecord) -> str:
    return article(record.source, record.notes, alert=record.error or "")


def _worst_row(evaluation: Evaluation, place: int) -> str:
    record = evaluation.records[place]
    scores = (f"{name} {shown_score(value)}" for name, value in record.scores.items())
    partners = (f"{role}: {path}" for role, path in record.companions.items())
    thumbs = evaluation.thumbs[place]
    pictures = [picture(image, caption) for caption, image in thumbs.items()]
    facts = [", ".join(scores), *partners, *record.notes]
    return article(record.source, facts, pictures)


def _score_table(evaluation: Evaluation, order: Sequence[int]) -> str:
    metrics = [measure.metric for measure in evaluation.protocol.measures]
    ordered = (evaluation.records[place] for place in order)
    return table(
        ("input", *metrics),
        (
            (record.source, *(shown_score(record.scores[metric]) for metric in metrics))
            for record in ordered
        ),
    )
