"""Knows the schedules of a store, their versions and their instants. Refuses to know what firing one stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from heapq import heappop, heappush, nsmallest

from flowli.driver import Change, Millis, Slice, StoredSchedule

__all__ = ["Book"]

_AFTER = "after:"


class Book:
    """All schedules by key, and a heap of their instants whose outdated entries are skipped when they come up."""

    def __init__(self) -> None:
        self._schedules: dict[str, StoredSchedule] = {}
        self._instants: list[tuple[Millis, str, int]] = []
        self._buried = 0
        """The greatest version of all that were deleted: what is put begins above it."""

    def __len__(self) -> int:
        return len(self._schedules)

    def get(self, key: str) -> StoredSchedule | None:
        """What stands under a key."""
        return self._schedules.get(key)

    def apply(self, change: Change) -> bool:
        """Write the successor if the schedule stands at the version that the change expects."""
        key, standing = change.key, self._schedules.get(change.key)
        if change.expected != (0 if standing is None else standing.version):
            return False
        if change.successor is None:
            self._schedules.pop(key, None)
            self._buried = max(self._buried, change.expected)
            return True
        last = self._buried if standing is None else standing.version
        written = replace(change.successor, key=key, version=last + 1)
        self._schedules[key] = written
        if written.next_run_at is not None:
            heappush(self._instants, (written.next_run_at, key, written.version))
        return True

    def next_instant(self) -> Millis | None:
        """The earliest instant of all schedules."""
        instants = self._instants
        while instants:
            instant, key, version = instants[0]
            standing = self._schedules.get(key)
            if standing is not None and standing.version == version and standing.next_run_at == instant:
                return instant
            heappop(instants)
        return None

    def due(self, limit: int, now: int) -> Slice[StoredSchedule]:
        """Those whose instant has come, longest overdue first."""
        _check(limit)
        overdue = [
            (one.next_run_at, one.key, one)
            for one in self._schedules.values()
            if one.next_run_at is not None and one.next_run_at <= now
        ]
        return Slice([one for _, _, one in nsmallest(limit, overdue, key=lambda found: found[:2])], None)

    def page(self, limit: int, cursor: str | None) -> Slice[StoredSchedule]:
        """A piece of all, by key."""
        _check(limit)
        if cursor is not None and not cursor.startswith(_AFTER):
            raise ValueError(
                "the cursor of list_schedules is not one that this store made; begin again without a cursor"
            )
        after = None if cursor is None else cursor.removeprefix(_AFTER)
        keys = nsmallest(limit + 1, (key for key in self._schedules if after is None or key > after))
        more = f"{_AFTER}{keys[limit - 1]}" if len(keys) > limit else None
        return Slice(self.pick(keys[:limit]), more)

    def pick(self, keys: Sequence[str]) -> Sequence[StoredSchedule]:
        """Those of ``keys`` that stand."""
        return [self._schedules[key] for key in keys if key in self._schedules]


def _check(limit: int) -> None:
    if limit < 1:
        raise ValueError(f"a listing has at least one item; limit was {limit}")
