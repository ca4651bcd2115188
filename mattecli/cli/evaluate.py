"""``mattecli evaluate``."""

from __future__ import annotations

import typer

from mattecli.cli.options import takes
from mattecli.cli.render import Console
from mattecli.errors import UsageError
from mattecli.settings.evaluate import EvaluateOptions

__all__ = ["evaluate"]


@takes(EvaluateOptions)
def evaluate(options: EvaluateOptions) -> None:
    """Score alpha mattes against the true ones: SAD, MSE, MAD, gradient, connectivity, dtSSD.

    Pictures of two folders belong together by name. Example:
    mattecli evaluate mattes/ truth/ --trimap trimaps/ --protocol composition-1k --report worst.html
    """
    from mattecli.cli.score_table import show_csv, show_plan, show_table
    from mattecli.jobs.evaluate import evaluate_mattes

    if options.score.csv and options.run.json:
        raise UsageError("--csv and --json exclude each other")
    evaluation = evaluate_mattes(options, Console(options.run))
    if options.run.dry_run:
        show_plan(evaluation)
    elif options.score.csv:
        show_csv(evaluation)
    elif not options.run.json:
        show_table(evaluation)
    raise typer.Exit(evaluation.exit_code)
