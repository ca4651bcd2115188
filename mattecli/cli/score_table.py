"""Shows an evaluation on standard output: the scores are the command's data."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from mattecli.cli.progress import say
from mattecli.errors import shown_path
from mattecli.media.evaluation import Evaluation, csv_text, shown_score

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["show_csv", "show_plan", "show_table"]

_ROWS = 50
_PIPE_WIDTH = 400  # columns; a pipe has no width of its own, and nothing must be cut off


def show_csv(evaluation: Evaluation) -> None:
    """The scores of each picture, as CSV."""
    sys.stdout.write(csv_text(evaluation))


def show_plan(evaluation: Evaluation) -> None:
    """Which files would be compared, for ``--dry-run``."""
    for record in evaluation.records:
        if record.status == "planned":
            partners = (f"{role} {shown_path(path)}" for role, path in record.companions.items())
            say(f"{shown_path(record.source)}: {', '.join(partners)}")


def show_table(evaluation: Evaluation) -> None:
    """The worst pictures, the means, and what the numbers mean."""
    from rich.console import Console

    console = Console(
        file=sys.stdout,
        width=None if sys.stdout.isatty() else _PIPE_WIDTH,
        highlight=False,
        markup=False,
    )
    console.print(_table(evaluation))
    left = len(evaluation.worst_first) - _ROWS
    if left > 0:
        console.print(f"{left} better ones are not shown; --csv has all")
    for measure in evaluation.protocol.measures:
        console.print(f"{measure.metric} = {measure.definition}")
    for line in evaluation.protocol.conventions:
        console.print(line)


def _table(evaluation: Evaluation) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    metrics = [measure.metric for measure in evaluation.protocol.measures]
    title = f"protocol {evaluation.protocol.name}, worst by {evaluation.sort_by} first"
    table = Table(box=box.SIMPLE, title=title, title_justify="left", show_footer=True)
    table.add_column("input", "mean", overflow="fold")
    for metric in metrics:
        mean = shown_score(evaluation.report.means.get(metric))
        table.add_column(metric, mean, justify="right", no_wrap=True)
    for place in evaluation.worst_first[:_ROWS]:
        record = evaluation.records[place]
        values = (shown_score(record.scores[metric]) for metric in metrics)
        table.add_row(Text(shown_path(record.source)), *values)
    return table
