"""Which queue comes first, and for how many jobs, where queues have weights: each gets its share of what there is.

Arithmetic alone (start-time fair queueing): what a queue was served is divided by its weight, and who was served least
is next. It knows no store.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Shares"]


class Shares:
    """The shares of one runner's queues."""

    def __init__(self, weights: Mapping[str, int]) -> None:
        self._weights = dict(weights)
        self._served = dict.fromkeys(weights, 0.0)

    def next(self, free: int) -> tuple[tuple[str, ...], int]:
        """The queues, who was served least first, and how many of ``free`` slots (at least 1) are for that one; the
        next claims are for the others."""
        order = sorted(self._weights, key=self._served.__getitem__)
        first = order[0]
        share = (self._level(order, free) - self._served[first]) * self._weights[first]
        return tuple(order), max(1, min(free, round(share)))

    def _level(self, order: Sequence[str], free: int) -> float:
        """What each has been served once the free slots have gone, one by one, to who had least."""
        weight = total = level = 0.0
        for name in order:
            if weight and level <= self._served[name]:
                break
            weight += self._weights[name]
            total += self._served[name] * self._weights[name]
            level = (total + free) / weight
        return level

    def charge(self, order: Sequence[str], leased: Iterable[str]) -> None:
        """Count the queue of each job that a claim in this order has leased.

        A claim goes on to the next queue when the one before is empty. Who was empty is owed nothing for it.
        """
        jobs = Counter(leased)
        if not jobs:
            return
        last = max(map(order.index, jobs))
        now = self._served[order[last]]
        for name in order[: last + 1]:
            self._served[name] = max(self._served[name], now) + jobs[name] / self._weights[name]
