"""``mattecli trimap``."""

from __future__ import annotations

import typer

from mattecli.cli.options import takes
from mattecli.cli.render import Console
from mattecli.settings import TrimapCommandOptions

__all__ = ["trimap"]


@takes(TrimapCommandOptions)
def trimap(options: TrimapCommandOptions) -> None:
    """Make trimaps (0 background, 128 unknown, 255 foreground) from masks, mattes or cut-outs.

    Outputs go to the folder trimaps/ unless -o says otherwise. As a filter:
    mattecli trimap --dilate 15 < mask.png > trimap.png
    """
    from mattecli.cluster.choice import crew_for
    from mattecli.jobs.trimap import make_trimaps

    crew = crew_for(options.engine, options.run)
    report = make_trimaps(options, Console(options.run), crew=crew)
    raise typer.Exit(report.exit_code)
