"""Knows which job holds each unique key, and until when. Refuses to know what becomes of a request for one."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import NamedTuple

from flowli.driver import UniqueKey, Until

__all__ = ["Hold", "Keys"]


class Hold(NamedTuple):
    """A key that is held."""

    id: str
    until: Until
    first: int
    """When the job was first asked for: from then on the span of the key counts."""
    end: int | None
    """When the key is free in any case."""


class Keys:
    """All keys that are held, and a heap of their ends whose outdated entries are skipped when they come up."""

    def __init__(self) -> None:
        self._holds: dict[str, Hold] = {}
        self._ends: list[tuple[int, str]] = []

    def __len__(self) -> int:
        return len(self._holds)

    def get(self, key: str, now: int) -> Hold | None:
        """Who holds a key."""
        self.forget(now)
        return self._holds.get(key)

    def take(self, unique: UniqueKey, id: str, now: int, first: int | None = None) -> None:
        """Have a job hold its key; one that replaced another goes on with the span of that one."""
        begin = now if first is None else first
        end = None if unique.within is None else begin + unique.within
        stood = self._holds.get(unique.key)
        self._holds[unique.key] = Hold(id, unique.until, begin, end)
        if end is not None and (stood is None or stood.end != end):
            heappush(self._ends, (end, unique.key))

    def release(self, unique: UniqueKey, id: str, *, started: bool = False, unused: bool = False) -> None:
        """A job was leased (``started``), cancelled while it waited (``unused``), or else is over."""
        hold = self._holds.get(unique.key)
        if hold is None or hold.id != id:
            return
        if unused or hold.until is Until.STARTED or (hold.until is Until.SETTLED and not started):
            del self._holds[unique.key]

    def forget(self, now: int) -> None:
        """Free the keys whose spans are over."""
        while self._ends and self._ends[0][0] <= now:
            end, key = heappop(self._ends)
            hold = self._holds.get(key)
            if hold is not None and hold.end == end:
                del self._holds[key]
