"""``mattecli matte``."""

from __future__ import annotations

import typer

from mattecli.cli.options import takes
from mattecli.cli.render import Console
from mattecli.settings import MatteOptions

__all__ = ["matte"]


@takes(MatteOptions)
def matte(options: MatteOptions) -> None:
    """Cut the foreground out of photos: alpha mattes and straight, decontaminated RGBA.

    Outputs go to the folder mattes/ unless -o says otherwise. Example:
    mattecli matte photos/ --model closed-form --trimap trimaps/ -o cutouts/
    """
    from mattecli.cluster.choice import crew_for
    from mattecli.engine.allocator import keep_freed_memory
    from mattecli.jobs.matte import matte_images

    if options.device.max_memory is None:
        keep_freed_memory()
    crew = crew_for(options.engine, options.run)
    report = matte_images(options, Console(options.run), crew=crew)
    raise typer.Exit(report.exit_code)
