"""Knows when a call that waits for jobs to end has something to say. Refuses to know how it sleeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowli.driver import Millis, StoredJob
from flowli_memory.store import Store
from flowli_memory.waiting import Waiter

__all__ = ["OutcomeCall"]


class OutcomeCall:
    """A look for ended jobs, repeated until there is one or the wait is over."""

    def __init__(self, store: Store, ids: Sequence[str], wait: Millis) -> None:
        self._store = store
        self._ids = ids
        self._wait = wait if ids else 0
        self._end: int | None = None
        self.alarm = Millis(0)

    def look(self, now: Millis) -> Mapping[str, StoredJob | None] | None:
        """Those that ended, or are unknown; None if the call is to wait until ``alarm`` at most."""
        if self._end is None:
            self._end = now + self._wait
        found: dict[str, StoredJob | None] = {}
        for id in self._ids:
            job = self._store.find(id, now)
            if job is None:
                found[id] = None
            elif job.shelf.is_terminal:
                found[id] = job.stored(with_body=True)
        if found or now >= self._end:
            return found
        self.alarm = Millis(self._end)
        return None

    def enter(self, waiter: Waiter) -> None:
        """Wait for the first to end."""
        self._store.lounge.watch(waiter, self._ids)

    def leave(self, waiter: Waiter, *, abandoned: bool) -> None:
        """Wait no more. All who watch a job are woken, so that an abandoned call owes nothing to others."""
        self._store.lounge.unwatch(waiter, self._ids)
