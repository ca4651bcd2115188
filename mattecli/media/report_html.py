"""The account of a run as a page: a contact sheet, with what failed first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mattecli.media.html_page import article, fold, page, picture, sheet, table
from mattecli.records import ItemRecord, Report

__all__ = ["PICTURED_ROWS", "ReportRow", "html_report"]

PICTURED_ROWS = 1000
"""How many inputs a page shows in pictures, at about 45 kB each; more would not open well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One input on the contact sheet.

    Attributes:
        record: what became of it.
        thumbs: small PNG, JPEG or WebP files by caption, in the order in which they are shown.
    """

    record: ItemRecord
    thumbs: Mapping[str, bytes] = field(default_factory=dict)


def html_report(rows: Sequence[ReportRow], report: Report) -> str:
    """The page of a run.

    Failed inputs come first, then those with pictures in folds of 50, then the names of those
    without. Where scripts run, they can be filtered by status and words, sorted and paged, and a
    picture that is clicked is shown large, with a slider over all of its input. Callers make no
    pictures after the first ``PICTURED_ROWS`` inputs.

    Args:
        rows: the inputs, in order.
        report: the account of the run.
    """
    failed = [row for row in rows if row.record.status == "failed"]
    pictured = [row for row in rows if row.thumbs and row.record.status != "failed"]
    plain = [row.record for row in rows if not row.thumbs and row.record.status != "failed"]
    names = table(
        ("input", "status", "outputs"), (_name_row(record) for record in plain), kind="names"
    )
    sections = [
        table(("inputs", ""), _counts(report)),
        sheet("Failed", [_sheet_row(row) for row in failed]),
        sheet("Pictures", [_sheet_row(row) for row in pictured]),
        fold(f"Without pictures: {len(plain)}", names, opened=not pictured),
        fold("Settings", table(("setting", "value"), report.settings.items())),
    ]
    return page("mattecli report", sections, script="report.js")


def _counts(report: Report) -> list[tuple[str, object]]:
    seconds = f"{report.seconds:.1f} s" + (", interrupted" if report.interrupted else "")
    counts = {
        "done": report.done,
        "failed": report.failed,
        "skipped": report.skipped,
        "planned": report.planned,
    }
    return [
        *((name, count) for name, count in counts.items() if count),
        ("total", report.total),
        ("time", seconds),
    ]


def _sheet_row(row: ReportRow) -> str:
    record = row.record
    size = f", {record.size}" if record.size else ""
    stages = ", ".join(f"{name} {value:.2f} s" for name, value in record.seconds.items())
    outputs = [f"{kind}: {path}" for kind, path in record.outputs.items()]
    facts = [f"{record.status}{size}", *record.notes, *outputs, stages]
    pictures = [picture(image, caption) for caption, image in row.thumbs.items()]
    return article(
        record.source,
        facts,
        pictures,
        alert=record.error or "",
        data={"status": record.status, "seconds": round(sum(record.seconds.values()), 3)},
    )


def _name_row(record: ItemRecord) -> tuple[str, str, str]:
    return record.source, record.status, ", ".join(record.outputs.values())
