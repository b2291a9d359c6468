"""A memory driver that remembers what was enqueued, and makes the trouble that a test asks for.

It knows what a store and a network do to callers and runners. It refuses to know a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from flowli.driver import Claim, Enqueued, Exchanged, Lease, Millis, NewJob, Settled, Settlement, State, Turn
from flowli.errors import EnqueueUnknown
from flowli_memory.clock import Clock
from flowli_memory.driver import MemoryDriver

__all__ = ["Trouble", "TroubledDriver"]


@dataclass
class Trouble:
    """What is to happen, and what has been enqueued; shared by the twins of a driver."""

    enqueued: list[tuple[NewJob, datetime | None]] = field(default_factory=list[tuple[NewJob, datetime | None]])
    """With the instants at which they are due; None for at once."""
    lost_replies: int = 0
    """So many enqueues are written, and their callers are told that nobody knows."""
    crashes: int = 0
    """So many leases are given to a runner that does not live to start them."""
    is_twice: bool = False
    """Whether each job is executed again after its first success, as if its runner had died before it could say so."""
    leased: dict[str, Lease] = field(default_factory=dict[str, Lease])
    repeated: set[str] = field(default_factory=set[str])


class TroubledDriver(MemoryDriver):
    """`MemoryDriver`, with `Trouble`."""

    def __init__(self, *, clock: Clock | None = None, trouble: Trouble | None = None) -> None:
        super().__init__(clock=clock)
        self.trouble = trouble or Trouble()

    def twin(self) -> TroubledDriver:
        twin = TroubledDriver(clock=self._clock, trouble=self.trouble)
        twin._presence = self._twin_presence()
        return twin

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        found = await super().enqueue(jobs, turn=turn, now=now)
        self.trouble.enqueued += [(job, self._due(job)) for job in jobs]
        if self.trouble.lost_replies > 0:
            self.trouble.lost_replies -= 1
            ids = tuple(job.id for job in jobs)
            raise EnqueueUnknown(
                "The reply was lost, as the test asked. Repeat the call with the same id.", job_ids=ids
            )
        return found

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        trouble = self.trouble
        sent = [self._again(one) for one in settlements] if trouble.is_twice else settlements
        found = await super().exchange(sent, claim, now=now)
        if trouble.is_twice:
            trouble.leased |= {lease.id: lease for lease in found.leases}
            settled = [
                Settled.LOST if one is not asked else answer
                for one, asked, answer in zip(sent, settlements, found.settled, strict=True)
            ]
            found = replace(found, settled=settled)
        if trouble.crashes > 0 and found.leases:
            lost = min(trouble.crashes, len(found.leases))
            trouble.crashes -= lost
            found = replace(found, leases=found.leases[lost:])
        return found

    def _due(self, job: NewJob) -> datetime | None:
        if job.due is not None:
            return datetime.fromtimestamp(job.due / 1000, UTC)
        now = datetime.now(UTC) if self._clock is None else self._clock.now()
        return None if job.delay is None else now + timedelta(milliseconds=job.delay)

    def _again(self, one: Settlement) -> Settlement:
        """The first success of a job is not heard of: it is handed back instead, as it was."""
        if one.state is not State.COMPLETED or one.id in self.trouble.repeated:
            return one
        self.trouble.repeated.add(one.id)
        memo = self.trouble.leased[one.id].memo
        return Settlement(one.id, one.queue, one.token, State.QUEUED, memo)
