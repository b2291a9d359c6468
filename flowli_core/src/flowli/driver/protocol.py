"""The `Driver` protocol: the verbs that a store has to offer. What they all keep to stands in `flowli.driver`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from flowli.driver.messages import (
    Act,
    Acted,
    Change,
    Changed,
    Claim,
    Enqueued,
    Exchanged,
    Hold,
    Millis,
    NewJob,
    Overview,
    Renewal,
    RunnerNote,
    Settlement,
    Slice,
    State,
    StoredJob,
    StoredSchedule,
    Turn,
)

__all__ = ["Ability", "Driver"]

_NO_WAIT = Millis(0)


class Ability(StrEnum):
    """What a store may lack. Declared in `Driver.abilities`; each has a small Protocol of its own when it arrives, and
    the suite checks that what is declared is there and works. None is required."""

    UNIQUE = "unique"
    """`Bonds.unique`: at most one job holds a key."""
    WORKFLOWS = "workflows"
    """`Bonds.after`: a job waits for others."""
    FAIRNESS = "fairness"
    """`Bonds.group`: within a queue and a priority each group has its turn."""
    LIMITS = "limits"
    """`Bonds.needs`, and `flowli.driver.Throttles`: limits of concurrency and of rate."""
    PROGRESS = "progress"
    """`flowli.driver.KeepsReports`: the newest report of each job that is under way."""
    PAUSES = "pauses"
    """`flowli.driver.KeepsPauses`: queues and job names of which nothing is leased for a while."""
    EXAMINE = "examine"
    """`flowli.driver.Examines`: the store looks for what is wrong in itself (`flowli doctor`)."""
    AUDIT = "audit"
    """`flowli.driver.Audits`: the store keeps a record of what operators did."""
    JOIN = "join"


class Driver(Protocol):
    """Where jobs are kept. ``str()`` of a driver names its store and prefix for log lines and holds no secret."""

    @property
    def abilities(self) -> frozenset[Ability]: ...

    @property
    def process_local(self) -> bool:
        """True where no other process can reach the store: `flowli runner` refuses such a driver."""
        ...

    async def open(self) -> None:
        """Connect, and refuse a store that cannot keep the promises (version, layout, rights, eviction) with a
        DriverError that says what to change. DriverUnavailable where it cannot be reached. Idempotent; in a fork of the
        process that opened it, DriverClosed."""

    async def close(self) -> None:
        """End waiting calls with DriverClosed, release what `open` took and nothing that the user handed in.
        Idempotent; `open` may follow. In a fork it does nothing."""

    def twin(self) -> Driver:
        """A closed driver on the same store with connections of its own, for another thread or event loop: the renewals
        of a runner, the portal of `.sync`. Whoever asks opens and closes it. It may be made from any thread, and in
        a fork."""
        ...

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        """Store each job, with its place in a queue or among the scheduled, and wake an idle runner of that queue.

        A known id is EXISTING for as long as its record is kept, also within one batch; a unique key that is held comes
        after it (`UniqueKey`). ``turn`` covers what the id cannot: a repeat after the job ran and left nothing behind,
        or after another job stood for it. A full store refuses a step whole (QueueFull). A
        driver that was made to wait for replicas or disks raises NotDurable, with the outcomes of the whole call in its
        order, when too few confirmed: stored, and safe to repeat. A repeat waits for the confirmation anew, also when
        it finds its jobs stored.
        """
        ...

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        """Settle, keep house, and lease: a runner's whole conversation with the store, in one round trip when nothing
        waits.

        A settlement is written only while its token is the job's; a full store does not refuse it. Housekeeping hands
        back what lapsed (longest overdue first, each counting one delivery, to the front), promotes what is due and
        sweeps what expired, some hundreds a call, for the claim's queues, and never hides behind live leases. With
        nothing to lease it waits up to ``wait``, asleep, and an enqueue wakes one waiting runner of the queue; if that
        one takes less than there is, the next is woken. Settlements never wait behind a wait. A repeat of the claim's
        turn returns those of its leases that still hold once house is kept, as they were first given, and takes no
        others; a cancelled call may have leased, and is repeated so with ``limit=0`` to hand them back. With
        ``limit=0`` there is no wait. A wait may end early, empty; a ``now`` that was passed in goes on at the pace of
        the driver's clock. What fails after the settlements were written says ``maybe_written``.
        """
        ...

    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        """Extend each lease that holds to ``lease_for`` from now; a full store does not refuse it. A lease that lapsed
        but was not handed back yet still holds: its token is the job's, so nobody else runs it.

        With None nothing is extended and only CANCEL and LOST are news: the cheap look, every half second, that makes
        the cancellation of a running job known within one.
        """
        ...

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        """Do one deed to each job, by id, in order. A job that becomes terminal by it, or is no more, wakes its
        waiters, as a settlement does; one that is queued by it wakes a runner, as an enqueue does. A full store refuses
        none."""
        ...

    async def outcomes(
        self, ids: Sequence[str], *, wait: Millis = _NO_WAIT, now: Millis | None = None
    ) -> Mapping[str, StoredJob | None]:
        """Those of ``ids`` that are terminal; None for one without a record. If there are none, wait for the first,
        woken by the store. One call serves every waiting handle of a process."""
        ...

    async def get_jobs(self, ids: Sequence[str], *, now: Millis | None = None) -> Sequence[StoredJob | None]: ...

    async def list_jobs(
        self,
        state: State,
        *,
        queue: str | None = None,
        limit: int,
        cursor: str | None = None,
        now: Millis | None = None,
    ) -> Slice[StoredJob]:
        """Jobs of a state without their bodies, in an order that the store keeps; QUEUED of one queue in the order of
        service. Filters by name, tag, error and time are core's, over ``head`` and ``memo``. A cursor that the store
        did not make, and a limit below 1, is a ValueError."""
        ...

    async def overview(self, queues: Sequence[str] | None = None, *, now: Millis | None = None) -> Overview:
        """Counts in constant time for each queue (None: all that are known), and the runners alive."""
        ...

    async def announce(self, note: RunnerNote, *, now: Millis | None = None) -> None:
        """Say that the runner lives until ``alive_until``; an instant in the past takes it off the list."""

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        """Apply each change whose ``expected`` version stands. Its jobs are stored as `enqueue` stores them, in the
        same step, and wake runners; a full store may refuse it (QueueFull). NotDurable as for `enqueue`, when a change
        was applied; a call without changes waits until what stands is confirmed."""
        ...

    async def get_schedules(self, keys: Sequence[str]) -> Sequence[StoredSchedule | None]: ...

    async def list_schedules(
        self, *, due: bool = False, limit: int, cursor: str | None = None, now: Millis | None = None
    ) -> Slice[StoredSchedule]:
        """By key; with ``due``, those whose instant has come, longest overdue first (without a cursor). ValueErrors as
        for `list_jobs`."""
        ...
