"""What happened in one seed, written down where it happened: in handlers, and behind every line to the store.

It knows facts. It refuses to judge them (`tests.faults.simulation.invariants`).
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from flowli.driver import Act, Acted, Change, Changed, Exchanged, Settled, Settlement, State
from flowli.wire import Memo, decode_memo

__all__ = ["End", "History", "Run", "Written"]


class End(Enum):
    """How a handler ended."""

    RETURNED = "returned"
    RAISED = "raised"
    GAVE_UP = "gave up"
    LEFT = "left when it was cancelled"


@dataclass
class Run:
    """One start of a handler."""

    id: str
    token: int
    number: int
    process: str
    began: float
    timeout: float | None
    ended: float | None = None
    end: End | None = None
    cancelled_at: float | None = None
    """When it heard of its cancellation first."""
    is_deaf: bool = False


@dataclass(frozen=True)
class Written:
    """One settlement that the store accepted."""

    id: str
    token: int
    state: State
    before: Memo
    after: Memo


@dataclass
class History:
    """Everything that is known of one seed. Times are the loop's."""

    runs: list[Run] = field(default_factory=list[Run])
    written: list[Written] = field(default_factory=list[Written])
    tokens: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """Of each job, as its leases were given."""
    cancelled: list[str] = field(default_factory=list[str])
    """Jobs that were cancelled while they waited."""
    completed: list[str] = field(default_factory=list[str])
    """What runners told their listeners."""
    lapses: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    fired: list[str] = field(default_factory=list[str])
    """Ids of the jobs that schedules made."""
    paused: set[str] = field(default_factory=set[str])
    """Processes that stood still, for a while or for good."""
    notes: list[str] = field(default_factory=list[str])
    _memos: dict[str, Memo] = field(default_factory=dict[str, Memo])

    def note(self, text: str) -> None:
        self.notes.append(f"{asyncio.get_running_loop().time() - 1_000:9.4f} {text}")

    def exchanged(self, process: str, settlements: Sequence[Settlement], answer: Exchanged) -> None:
        """In the step in which the store answered."""
        for settlement, outcome in zip(settlements, answer.settled, strict=True):
            self.note(f"{process}: {settlement.id}/{settlement.token % 100_000} {settlement.state}: {outcome.value}")
            if outcome is Settled.WRITTEN:
                self._write(settlement)
        for found in answer.recovered:
            self.note(f"{found.id} lapsed, {found.deliveries} times now")
            self.lapses[found.id] += 1
        for lease in answer.leases:
            self.note(f"{process}: {lease.id}/{lease.token % 100_000} leased")
            if lease.token not in self.tokens[lease.id]:  # a repeated turn is answered with the same leases
                self.tokens[lease.id].append(lease.token)

    def _write(self, settlement: Settlement) -> None:
        before, after = self._memos.get(settlement.id, Memo()), decode_memo(settlement.memo)
        self._memos[settlement.id] = after
        self.written.append(Written(settlement.id, settlement.token, settlement.state, before, after))

    def acted(self, acts: Sequence[Act], answers: Sequence[Acted]) -> None:
        for act, answer in zip(acts, answers, strict=True):
            self.note(f"{act.id}: {act.deed.value} found {answer.found}, done {answer.done}")
            if answer.done:
                self.cancelled.append(act.id)

    def changed(self, changes: Sequence[Change], answers: Sequence[Changed]) -> None:
        for change, answer in zip(changes, answers, strict=True):
            if answer.applied:
                self.fired += [job.id for job in change.jobs]
