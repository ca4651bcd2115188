"""Pictures of the worst cases only, so that memory does not grow with their number."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Mapping

__all__ = ["WorstCases"]

Thumbs = Mapping[str, bytes]


class WorstCases:
    """Keeps the thumbnails of the ``count`` items with the largest errors.

    Items may come in any order and from several threads; the result is the same. Of equal errors
    the earlier item is kept.

    Args:
        count: how many are kept; may be 0.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._kept: list[tuple[float, int, Thumbs]] = []  # a heap, the least bad item on top
        self._lock = threading.Lock()

    def offer(self, place: int, error: float, make: Callable[[], Thumbs]) -> None:
        """Keep an item's thumbnails if it is among the worst so far.

        Args:
            place: the item's place in the order of inputs.
            error: how bad it is.
            make: makes the thumbnails; called only if they are kept.
        """
        if not self._is_among((error, -place)):
            return
        thumbs = make()
        with self._lock:
            heapq.heappush(self._kept, (error, -place, thumbs))
            if len(self._kept) > self._count:
                heapq.heappop(self._kept)

    def thumbs(self) -> dict[int, Thumbs]:
        """What is kept, by place."""
        with self._lock:
            return {-place: thumbs for _, place, thumbs in self._kept}

    def _is_among(self, rank: tuple[float, int]) -> bool:
        with self._lock:
            if len(self._kept) < self._count:
                return True
            return bool(self._kept) and rank > self._kept[0][:2]
