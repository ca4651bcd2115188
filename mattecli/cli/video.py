"""``mattecli video``."""

from __future__ import annotations

import typer

from mattecli.cli.options import takes
from mattecli.cli.video_progress import VideoConsole
from mattecli.settings.video import VideoOptions

__all__ = ["video"]


@takes(VideoOptions)
def video(options: VideoOptions) -> None:
    """Cut the foreground out of video: clips with alpha, mattes, composites; sound and timing kept.

    Outputs go to the folder mattes/ unless -o says otherwise. Example:
    mattecli video interview.mp4 -o interview-cutout.mov
    """
    from mattecli.cluster.choice import crew_for
    from mattecli.engine.allocator import keep_freed_memory
    from mattecli.jobs.video import matte_videos

    if options.device.max_memory is None:
        keep_freed_memory()
    crew = crew_for(options.engine, options.run)
    report = matte_videos(options, VideoConsole(options.run), crew=crew)
    raise typer.Exit(report.exit_code)
