"""The journal of a folder of videos."""

from __future__ import annotations

from dataclasses import asdict, replace

from mattecli.jobs.choice import choose_spec
from mattecli.jobs.journal import Journal, open_journal
from mattecli.jobs.made_with import made_with
from mattecli.jobs.plan import goes_to_one_place
from mattecli.jobs.video_fingerprint import companions_of
from mattecli.jobs.video_plan import FOLDER, names_a_video
from mattecli.jobs.video_steps import as_matte_options
from mattecli.settings.video import VideoOptions

__all__ = ["open_video_journal"]


def open_video_journal(options: VideoOptions) -> Journal | None:
    """As ``open_journal``, for the options of ``mattecli video``.

    Raises:
        UsageError: ``--retry-failed`` is given, and there is no journal to tell what failed.
        ModelUnavailableError: there are no weights for the model.
    """
    one_place = goes_to_one_place(options.source, options.target.output, names_a_video)
    return open_journal(options.target, FOLDER, lambda: _made_with(options), one_place=one_place)


def _made_with(options: VideoOptions) -> dict[str, object]:
    """All that videos depend on beside their sources."""
    spec, target = choose_spec(options.model, options.device), options.target
    return {
        **made_with(spec, as_matte_options(options)),
        "companions": companions_of(options),
        "clip": asdict(replace(options.clip, stall_timeout=0.0, piece_frames=0, max_frames=0)),
        "video": asdict(options.pixels),
        "encoding": (target.format, target.codec, target.crf),
    }
