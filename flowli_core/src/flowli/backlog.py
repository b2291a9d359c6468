"""What a runner leased ahead of its free slots, so that handlers run while a call is under way; and how far ahead.

It knows order, number and age. It refuses to start anything and to know the store: what waits too long here is handed
back by whoever made it.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from flowli.driver import Hold, Lease

__all__ = ["Backlog", "Pace", "Taken"]

Taken: TypeAlias = tuple[Hold, Lease]

_PATIENCE_S = 1.0
"""How long a lease may wait for a slot before another runner may have the job."""

_MOST_AHEAD = 200


class Backlog:
    """Leases that wait for a slot, in their order. ``overdue`` gets those that waited for a second or two, once."""

    def __init__(self, overdue: Callable[[Sequence[Taken]], None]) -> None:
        self._overdue = overdue
        self._waiting: OrderedDict[Hold, Lease] = OrderedDict()
        self._old: set[Hold] = set()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, taken: Iterable[Taken]) -> None:
        """Put these behind what waits."""
        self._waiting.update(taken)

    def take(self, most: int) -> Sequence[Taken]:
        """Take out the first ones."""
        return [self._waiting.popitem(last=False) for _ in range(min(most, len(self._waiting)))]

    def remove(self, hold: Hold) -> Lease | None:
        """Take one out, wherever it stands; None if it does not wait here."""
        return self._waiting.pop(hold, None)

    def clear(self) -> Sequence[Taken]:
        """Take out all."""
        taken = list(self._waiting.items())
        self._waiting.clear()
        return taken

    def watch(self) -> None:
        """Look for what waits too long, from now on and as long as anything waits."""
        if self._timer is None and self._waiting:
            self._old = set(self._waiting)
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE_S, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        overdue = [(hold, lease) for hold, lease in self._waiting.items() if hold in self._old]
        for hold, _ in overdue:
            del self._waiting[hold]
        self.watch()
        if overdue:
            self._overdue(overdue)


class Pace:
    """How many attempts end while a call to the store is under way: so many may be leased ahead, and twice that.

    Where handlers are slow that is none, and no job waits here for a slot that another runner has. Where they take
    microseconds it is a batch, and the runner never waits for the store. At most 200.
    """

    def __init__(self) -> None:
        self.ahead: int = 0
        self._ended = 0
        self._answered_at: float | None = None

    def measure(self, ended: int, began_at: float, answered_at: float) -> None:
        """A claim began and was answered then (monotonic seconds), and so many attempts have ended in all."""
        if self._answered_at is not None and answered_at > self._answered_at:
            share = min(1.0, (answered_at - began_at) / (answered_at - self._answered_at))
            # One slow round says little: what was right before is halved, not forgotten.
            self.ahead = min(_MOST_AHEAD, max(self.ahead // 2, round(2 * (ended - self._ended) * share)))
        self._ended, self._answered_at = ended, answered_at
