"""Who watches a run over videos, and what they are told."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from mattecli.jobs.runner import Observer, Silent

__all__ = ["Progress", "SilentVideo", "VideoObserver"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a video is.

    Attributes:
        source: its name.
        done: frames written, those of an earlier run included.
        total: frames that are expected, or None.
        resumed: frames of an earlier run.
        seconds: since this run began with it.
        stages: frames a second that each stage has managed while it worked.
    """

    source: str
    done: int
    total: int | None
    resumed: int = 0
    seconds: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)


class VideoObserver(Observer, Protocol):
    """Who watches a run over videos."""

    def frames(self, progress: Progress) -> None:
        """A video has got on; called a few times a second."""


class SilentVideo(Silent):
    """An observer that says nothing."""

    def frames(self, progress: Progress) -> None:
        """Nothing."""
