"""Long videos in parts that several workers make at once, and one joins."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from mattecli.errors import MattecliError
from mattecli.interruption import Hold
from mattecli.jobs.crew import Crew, WorkRecipe
from mattecli.jobs.video_plan import Earlier, Part, VideoTask
from mattecli.jobs.video_run import total_seconds
from mattecli.jobs.video_sources import Footage
from mattecli.media.stores.place import is_stored
from mattecli.media.video.clip import Clip
from mattecli.media.video.containers import CONTAINERS
from mattecli.settings.video import VideoOptions

__all__ = ["InParts"]

_MOST_PARTS = 64  # of a video: each begins with decoding from the key frame before it


class InParts:
    """Has parts of long videos made first, in any order, and then each video joined.

    Joining is a resumed run: it makes the parts that are missing, and then the whole.

    Args:
        crew: does the work.
        options: of the command.
        note: is told what an interrupt leaves.
    """

    def __init__(self, crew: Crew, options: VideoOptions, note: Callable[[str], None]) -> None:
        self._crew = crew
        self._options = options
        self._note = note

    def settle(
        self,
        recipe: WorkRecipe[VideoTask],
        tasks: Sequence[VideoTask],
        hold: Hold,
        facts: dict[str, object],
    ) -> Generator[VideoTask]:
        """As ``Crew.settle``."""
        split = [_Split(task, parts) for task in tasks if (parts := _parts(task, self._options))]
        every = [part for one in split for part in one.parts]
        try:
            if every:
                _run_out(self._crew.settle(recipe, every, hold, facts))
            if hold.requested:
                return
            for one in split:
                one.note()
            yield from self._crew.settle(recipe, tasks, hold, facts)
        finally:
            if split and any(one.whole.settled is None for one in split):
                self._note("interrupted: completed pieces are kept; --resume goes on")


def _run_out(made: Generator[VideoTask]) -> None:
    """Have all be made; each part is told itself what became of it."""
    with closing(made):
        for _ in made:
            pass


@dataclass(frozen=True, slots=True)
class _Split:
    """A video and its parts."""

    whole: VideoTask
    parts: list[VideoTask]

    def note(self) -> None:
        """Tell the video what its parts left, up to the first that failed."""
        notes: list[str] = []
        seconds: dict[str, float] = {}
        for part in self.parts:
            if part.settled is None or part.settled.status != "done":
                break
            notes += part.settled.notes
            seconds = total_seconds((seconds, part.settled.seconds))
            self.whole.thumbs = self.whole.thumbs or part.thumbs
        self.whole.earlier = Earlier(tuple(notes), seconds)


def _parts(task: VideoTask, options: VideoOptions) -> list[VideoTask]:
    """The parts that a video is made in; none where it is short, or has to be seen as a whole."""
    if not _can_be_split(task, options):
        return []
    frames = _frames(task, options)
    piece = max(options.clip.piece_frames, 1)
    pieces = -(-frames // piece)
    if pieces < 2:
        return []
    step = -(-pieces // _MOST_PARTS) * piece
    firsts = range(0, frames, step)
    ends: list[int | None] = [*firsts[1:], None]
    return [
        replace(task, part=Part(first, end), notes=[], thumbs={})
        for first, end in zip(firsts, ends, strict=True)
    ]


def _can_be_split(task: VideoTask, options: VideoOptions) -> bool:
    """Whether a video can be made in parts.

    Not where plates are registered, which is done shot by shot, nor for a part of a video, an
    animation, or a result beside which no pieces can lie until they are joined.
    """
    clip = options.clip
    if options.model.align or clip.start is not None or clip.end is not None:
        return False
    places = (task.source.path, *task.outputs.values())
    if not task.can_resume or any(is_stored(path) for path in places):
        return False
    containers = [CONTAINERS.get(name) for name in task.formats.values()]
    return all(one is not None and not one.is_animation for one in containers)


def _frames(task: VideoTask, options: VideoOptions) -> int:
    """About how many frames there are; 0 where that cannot be known here."""
    try:
        footage = Footage.open(task.source, options)
    except MattecliError:  # said by the worker that opens it
        return 0
    with closing(footage):
        known = isinstance(footage.clip, Clip)
        return (footage.info.expected or 0) if known else 0
