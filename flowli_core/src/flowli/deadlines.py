"""One timer for all deadlines of a loop: a timer for each attempt costs more than a short attempt does.

It knows instants of the loop's clock and what to call when they come. It refuses to know what they bound.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable
from heapq import heapify, heappop, heappush
from itertools import count
from typing import Generic, TypeVar

__all__ = ["Deadlines"]

T = TypeVar("T", bound=Hashable)

_SLACK = 512


class Deadlines(Generic[T]):
    """Calls ``passed`` with each item whose deadline came before it was taken off.

    An item that was taken off leaves its entry where it is; entries are sorted anew when most of them are such.
    """

    def __init__(self, passed: Callable[[T], None]) -> None:
        self._passed = passed
        self._ends: dict[T, float] = {}
        self._heap: list[tuple[float, int, T]] = []
        self._numbers = count()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._ends)

    @property
    def places(self) -> int:
        """How many entries are held, those of items that were taken off included."""
        return len(self._heap)

    def add(self, item: T, seconds: float) -> None:
        """Call for ``item``, which has no deadline yet, in so many seconds."""
        loop = asyncio.get_running_loop()
        self._ends[item] = end = loop.time() + seconds
        heappush(self._heap, (end, next(self._numbers), item))
        if self._timer is None or end < self._timer.when():
            self._watch(loop, end)

    def discard(self, item: T) -> None:
        """Do not call for ``item``; nothing if it has no deadline."""
        if self._ends.pop(item, None) is None or len(self._heap) <= 2 * len(self._ends) + _SLACK:
            return
        self._heap = [entry for entry in self._heap if self._ends.get(entry[2]) == entry[0]]
        heapify(self._heap)

    def clear(self) -> None:
        """Call for nothing any more."""
        self._ends.clear()
        self._heap.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, loop: asyncio.AbstractEventLoop, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = loop.call_at(at, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer, now = None, loop.time()
        passed: list[T] = []
        while self._heap:
            end, _, item = self._heap[0]
            if self._ends.get(item) == end:
                if end > now:
                    self._watch(loop, end)
                    break
                del self._ends[item]
                passed.append(item)
            heappop(self._heap)
        for item in passed:
            self._passed(item)
