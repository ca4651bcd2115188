"""What an evaluation found, and its forms for machines: CSV, JSON, JSON lines."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from mattecli.errors import shown_path
from mattecli.media.report import as_json, summary_as_json
from mattecli.ops.protocols import Metric, Protocol
from mattecli.records import ItemRecord, Report

__all__ = ["Evaluation", "csv_text", "json_lines", "json_text", "settings_of", "shown_score"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Scores of a set of pictures by one protocol.

    Attributes:
        protocol: with the measures that were taken.
        records: one for each prediction, and for each truth without one, in order.
        sort_by: the metric that says which pictures are the worst.
        report: the account of the run, with the means.
        thumbs: prediction, truth and error map as WebP files by caption, for the worst pictures,
            by their index in ``records``.
    """

    protocol: Protocol
    records: tuple[ItemRecord, ...]
    sort_by: Metric
    report: Report
    thumbs: Mapping[int, Mapping[str, bytes]] = field(default_factory=dict)

    @property
    def exit_code(self) -> int:
        """0 all scored; 1 some failed; 130 interrupted."""
        return self.report.exit_code

    @property
    def worst_first(self) -> list[int]:
        """Indexes of the scored ``records``, the worst by ``sort_by`` first."""
        measure = self.protocol.measure(self.sort_by)
        scored = [place for place, record in enumerate(self.records) if record.scores]
        return sorted(
            scored, key=lambda place: -measure.badness(self.records[place].scores[self.sort_by])
        )


def settings_of(protocol: Protocol) -> dict[str, object]:
    """Definitions and conventions of a protocol, to stand beside its numbers."""
    return {
        "protocol": protocol.name,
        "definitions": {measure.metric: measure.definition for measure in protocol.measures},
        "conventions": list(protocol.conventions),
    }


def shown_score(value: float | None) -> str:
    """A number for people: five digits (but no rounding errors), or a dash without a value."""
    return "-" if value is None else f"{round(value, 9):.5g}"


def csv_text(evaluation: Evaluation) -> str:
    """A table with one line per record; a metric's column is headed by its definition.

    Characters of names that are not printable are escaped, as in messages.
    """
    measures = evaluation.protocol.measures
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(
        [
            *("input", "truth", "trimap", "width", "height", "status", "protocol"),
            *(f"{measure.metric} = {measure.definition}" for measure in measures),
            *("error", "notes"),
        ]
    )
    for record in evaluation.records:
        table.writerow(
            [
                shown_path(record.source),
                shown_path(record.companions.get("truth", "")),
                shown_path(record.companions.get("trimap", "")),
                *(record.size or ("", "")),
                record.status,
                evaluation.protocol.name,
                *(record.scores.get(measure.metric) for measure in measures),
                record.error or "",
                "; ".join(record.notes),
            ]
        )
    return stream.getvalue()


def json_lines(evaluation: Evaluation) -> str:
    """A JSON object per record, and one with the means and definitions, each on a line."""
    objects = [as_json(record) for record in evaluation.records]
    settings = settings_of(evaluation.protocol)
    lines = [json.dumps({**item, "settings": settings}) for item in objects]
    return "\n".join([*lines, json.dumps(summary_as_json(evaluation.report))]) + "\n"


def json_text(evaluation: Evaluation) -> str:
    """One JSON object: the summary (means, definitions), and the records as its ``items``."""
    items = [as_json(record) for record in evaluation.records]
    return json.dumps({**summary_as_json(evaluation.report), "items": items}, indent=1) + "\n"
