"""``mattecli composite``."""

from __future__ import annotations

import typer

from mattecli.cli.options import takes
from mattecli.cli.render import Console
from mattecli.settings import CompositeOptions

__all__ = ["composite"]


@takes(CompositeOptions)
def composite(options: CompositeOptions) -> None:
    """Put cut-outs, or photos with --alpha, over a colour, a picture, or their blurred background.

    Outputs go to the folder composites/ unless -o says otherwise. Example:
    mattecli composite mattes/*-foreground.png --background beach.jpg
    """
    from mattecli.cluster.choice import crew_for
    from mattecli.jobs.composite import composite_images

    crew = crew_for(options.engine, options.run)
    report = composite_images(options, Console(options.run), crew=crew)
    raise typer.Exit(report.exit_code)
