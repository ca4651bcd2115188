"""The times that a file's packets promise, without decoding anything."""

from __future__ import annotations

import heapq
import os
import subprocess

from mattecli.errors import ResourceError
from mattecli.media.child_process import child_environment
from mattecli.media.video.clip import Clip
from mattecli.media.video.probe import child_command

__all__ = ["PacketTimes", "count_before", "pts_of_frame", "pts_of_frames"]


class PacketTimes:
    """The timestamps that a file's packets promise, read by the child while ffmpeg decodes.

    Args:
        descriptor: the open file; belongs to this object from now on, also when it cannot be made.

    Raises:
        ResourceError: the child cannot be started.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        try:
            self._child = subprocess.Popen(
                child_command("index", descriptor),
                pass_fds=[descriptor],
                env=child_environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        except OSError as error:
            os.close(descriptor)
            raise ResourceError(
                f"no process can be started to read this video ({error.strerror})",
                remedy="use fewer --workers",
            ) from error
        self._pending: list[int] = []
        self._ended = False
        self.packets = 0

    def before(self, pts: int | None) -> list[int]:
        """Promised times below ``pts`` that have not been asked for yet (None: all the rest)."""
        self._read_up_to(pts)
        times = []
        while self._pending and (pts is None or self._pending[0] < pts):
            times.append(heapq.heappop(self._pending))
        while self._pending and self._pending[0] == pts:
            heapq.heappop(self._pending)
        return times

    def _read_up_to(self, pts: int | None) -> None:
        """Decoding times only grow, and no frame is shown before it is decoded."""
        stream = self._child.stdout
        while not self._ended and stream is not None:
            line = stream.readline()
            if not line or line.startswith("end"):
                self._ended = True
                self.packets = int(line.split()[1]) if line else 0
                return
            shown, decoded = (int(word) for word in line.split())
            heapq.heappush(self._pending, shown)
            if pts is not None and decoded >= pts:
                return

    def close(self) -> None:
        """End the child."""
        self._child.kill()
        self._child.wait()
        if self._child.stdout is not None:
            self._child.stdout.close()
        os.close(self._descriptor)


def pts_of_frame(clip: Clip, number: int) -> int | None:
    """The timestamp of a clip's n-th frame in ticks, by its packets; None beyond its end."""
    return next(iter(pts_of_frames(clip, number, number + 1)), None)


def pts_of_frames(clip: Clip, first: int, end: int) -> list[int]:
    """The timestamps of some frames of a clip, in ticks, by its packets; as many as there are."""
    packets = PacketTimes(clip.another())
    try:
        return sorted(packets.before(None))[first:end]
    finally:
        packets.close()


def count_before(clip: Clip, pts: int) -> int:
    """How many frames come before a time, by the packets."""
    packets = PacketTimes(clip.another())
    try:
        return len(packets.before(pts))
    finally:
        packets.close()
