"""Knows whose turn it is among groups of jobs that are ready. Refuses to know why they are, and where they stand."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowli_memory.shelves import Entry

__all__ = ["Rounds"]


class Rounds:
    """The groups of one priority. A job's round is that after its group's last one, and no earlier than the present."""

    __slots__ = ("last", "present", "rest", "waiting")

    def __init__(self) -> None:
        self.waiting: list[tuple[int, Entry, str]] = []
        self.present = 0
        self.last: dict[str, int] = {}
        self.rest = 0
        """The round that was last the turn of the jobs without a group."""

    def enter(self, group: str, entry: Entry) -> None:
        # What was handed back is not sent to the end of its group.
        turn = 0 if entry[1] == 0 else max(self.present, self.last.get(group, 0)) + 1
        if turn:
            self.last[group] = turn
        heappush(self.waiting, (turn, entry, group))

    def leave(self) -> None:
        """The first has its turn, or left before."""
        turn, _, group = heappop(self.waiting)
        if self.last.get(group) == turn:
            del self.last[group]

    def is_turn_of_rest(self, instant: int) -> bool:
        """Whether a job without a group, ready since ``instant``, comes before the first of all groups."""
        turn = self.waiting[0][0]
        return instant == 0 or (turn > 0 and max(self.rest + 1, self.present) <= turn)
