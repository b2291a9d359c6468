"""What a driver remembers of its visits to partitions, so as to know where to go next; it visits none."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from flowli.driver import Exchanged, Millis

__all__ = ["Tour"]


@dataclass(slots=True)
class Tour:
    """What the claims of the same queues remember of the partitions."""

    hot: dict[int, None] = field(default_factory=dict[int, None])
    """Those that had more, the longest waiting first."""
    next_at: dict[int, Millis] = field(default_factory=dict[int, Millis])
    seen: dict[int, float] = field(default_factory=dict[int, float])
    schedule_at: Millis | None = None
    now: Millis = Millis(0)
    """The store's clock at the last visit."""

    def note(self, number: int, found: Exchanged) -> None:
        """Remember what a visit found, beside its leases."""
        self.seen[number] = time.monotonic()
        self.now = found.now
        self.hot.pop(number, None)
        self.next_at.pop(number, None)
        if found.more:
            self.hot[number] = None
        if found.next_at is not None:
            self.next_at[number] = found.next_at
        if number == 0:
            self.schedule_at = found.schedule_at

    def due(self, now: Millis | None) -> list[int]:
        """Those that named an instant which has come."""
        if now is None:
            now = Millis(self.now + int((time.monotonic() - max(self.seen.values(), default=0.0)) * 1000))
        return [number for number, at in self.next_at.items() if at <= now]

    def unseen_for(self, seconds: float, numbers: Iterable[int]) -> list[int]:
        """Those that were not visited for so long, the longest first."""
        limit = time.monotonic() - seconds
        found = [(self.seen.get(number, 0.0), number) for number in numbers]
        return [number for seen, number in sorted(found) if seen <= limit]
