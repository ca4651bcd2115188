"""How much memory there is, and how to tell that it has run out.

What may be taken is the least of what the user allows, what the machine has free, and what the
container (control group) and the shell (``ulimit -v``) leave to this process.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import cv2

from mattecli.errors import UsageError
from mattecli.media.scratch import give_back_freed

if TYPE_CHECKING:
    import torch

__all__ = [
    "Memory",
    "is_out_of_memory",
    "parse_bytes",
    "parse_size",
    "release_cached",
    "resident_bytes",
    "shown_bytes",
]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
_UNKNOWN_ROOM = 2_000_000_000  # where the system does not tell
_LEAST = 300_000_000  # what the program itself takes, network included
_SIGNS = (
    "can't allocate memory",
    "bad_alloc",
    "out of memory",
    "cannot allocate memory",
    "insufficient memory",  # OpenCV's
    "could not create a primitive",  # oneDNN's words for it
)
_CGROUP_ROOT = Path("/sys/fs/cgroup")
_NO_LIMIT = 1 << 60  # control groups of version 1 write a number near 2**63


def parse_size(text: str, flag: str) -> int:
    """A size such as ``800M``, ``1GB`` (10^9 bytes) or ``1.5GiB`` (2^30 each).

    Args:
        text: the size.
        flag: the option that it was given with, for messages.

    Raises:
        UsageError: it is no size.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(
            f"{flag} {text!r} is no size", remedy="give one such as 1GB, 800M or 1.5GiB"
        )
    base = 1024 if match[3] else 1000
    return int(float(match[1]) * base ** _POWERS[match[2].lower()])


def parse_bytes(text: str) -> int:
    """The value of ``--max-memory``, in bytes.

    Raises:
        UsageError: it is no size, or less than the program itself takes.
    """
    size = parse_size(text, "--max-memory")
    if size < _LEAST:
        raise UsageError(
            f"--max-memory {text} is less than the program itself takes",
            remedy=f"give {shown_bytes(_LEAST)} at the very least",
        )
    return size


def shown_bytes(count: float) -> str:
    """For people: ``840 MB``, ``2.1 GB``."""
    return f"{count / 1e9:.1f} GB" if count >= 999_500_000 else f"{max(count, 0) / 1e6:.0f} MB"


@dataclass(frozen=True, slots=True)
class Memory:
    """What this process may take.

    Attributes:
        limit: bytes of main memory that the process may hold, and as many of a GPU's; None: all
            that there is.
    """

    limit: int | None = None

    def room(self, device: torch.device | None = None) -> int:
        """Bytes that can still be taken, of main memory or of a GPU's; not below 0."""
        if device is not None and device.type == "cuda":
            return max(self._gpu_room(device), 0)
        give_back_freed()  # freed memory would count as taken
        rooms = list(_rooms())
        if self.limit is not None:
            rooms.append(self.limit - resident_bytes())
        return max(min(rooms, default=_UNKNOWN_ROOM), 0)

    def _gpu_room(self, device: torch.device) -> int:
        import torch

        free, _total = torch.cuda.mem_get_info(device)
        held = torch.cuda.memory_reserved(device)
        used = torch.cuda.memory_allocated(device)
        room = free + held - used
        return room if self.limit is None else min(room, self.limit - used)


def resident_bytes() -> int:
    """Main memory that this process holds now."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:  # not Linux: the most it has held so far
        import resource

        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return pages * os.sysconf("SC_PAGE_SIZE")


def _rooms() -> Iterator[int]:
    """Bytes that each limit leaves to this process."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in lines}
        yield sizes["MemAvailable"]
    except (OSError, KeyError, ValueError):
        pass
    yield from _group_rooms(Path("/proc/self/cgroup"), _CGROUP_ROOT)
    yield from _address_room()


def _address_room() -> Iterator[int]:
    """Bytes of address space that ``ulimit -v`` leaves."""
    try:
        import resource

        limit, _hard = resource.getrlimit(resource.RLIMIT_AS)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except (ImportError, OSError):
        return
    if limit != resource.RLIM_INFINITY:
        yield limit - pages * os.sysconf("SC_PAGE_SIZE")


def _group_rooms(membership: Path, root: Path) -> Iterator[int]:
    """Bytes that each control group (of version 1 or 2) leaves that this process is in."""
    try:
        lines = membership.read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        number, controllers, path = line.split(":", 2)
        if number == "0":
            names, top = ("memory.max", "memory.current", "inactive_file"), root
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            top = root / "memory"
        else:
            continue
        here = top / path.lstrip("/")
        for folder in (here, *here.parents):
            yield from _group_room(folder, *names)
            if folder == top:
                break


def _group_room(folder: Path, limit: str, usage: str, cache: str) -> Iterator[int]:
    try:
        most = int((folder / limit).read_text(encoding="ascii"))
        used = int((folder / usage).read_text(encoding="ascii"))
        statistics = (folder / "memory.stat").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError):  # no such group here, or "max"
        return
    # The cache of files is given up before anything else, so it counts as free.
    cached = [int(line.split()[1]) for line in statistics if line.split()[0] == cache]
    if most < _NO_LIMIT:
        yield most - used + sum(cached)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that memory did not suffice, on a CPU or a GPU."""
    if isinstance(error, MemoryError):
        return True
    if not isinstance(error, RuntimeError | cv2.error):
        return False
    words = str(error).lower()  # torch's allocators say it in words only
    return any(sign in words for sign in _SIGNS)


def release_cached(device: torch.device | None = None) -> None:
    """Give back cached memory, so that a second try has room."""
    gc.collect()
    give_back_freed()
    if device is not None and device.type == "cuda":
        import torch

        torch.cuda.empty_cache()
