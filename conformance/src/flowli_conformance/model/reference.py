"""The reference: what the contract says of a store, as plainly as it can be said; obvious rather than fast.

It knows the verbs' meaning and a clock that only its user moves. It refuses to know drivers, and it decides nothing
that the contract leaves open: there it takes what the driver chose, if that was allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from flowli.driver import (
    Act,
    Acted,
    Change,
    Changed,
    Deed,
    Disposition,
    Enqueued,
    Hold,
    Lease,
    Millis,
    NewJob,
    OnConflict,
    QueueView,
    Recovered,
    Renewal,
    Settled,
    Settlement,
    State,
    StoredJob,
    StoredSchedule,
    UniqueKey,
    Until,
)

__all__ = ["Job", "Reference"]

_WAITING = (State.SCHEDULED, State.QUEUED)


@dataclass
class Job:
    """One record. ``due`` means what `StoredJob.due` means in each state."""

    new: NewJob
    state: State
    due: int
    token: int = 0
    deliveries: int = 0
    memo: bytes = b""
    is_asked: bool = False
    """Somebody asked for its cancellation while it ran."""
    was_operated: bool = False
    """An operator came after the last settlement."""
    settled: set[int] = field(default_factory=set[int])
    """The tokens under which something was written."""
    unique: UniqueKey | None = None
    """Under which it was made, until it is over: a replay holds nothing."""

    @property
    def rank(self) -> tuple[int, int]:
        """The order of service within a queue; between equals it is free."""
        return -self.new.priority, self.due

    def stored(self) -> StoredJob:
        """As readers see it."""
        return StoredJob(
            id=self.new.id,
            queue=self.new.queue,
            name=self.new.name,
            state=self.state,
            priority=self.new.priority,
            due=Millis(self.due),
            token=self.token,
            deliveries=self.deliveries,
            head=self.new.head,
            body=self.new.body,
            memo=self.memo,
        )

    def leased(self) -> Lease:
        """What a lease of it holds, as it stands in its queue; the token is the store's to choose."""
        new = self.new
        return Lease(new.id, new.queue, new.name, 0, self.deliveries, Millis(self.due), new.head, new.body, self.memo)


@dataclass(frozen=True)
class _Hold:
    """A unique key that is held. ``end``, if there is one, counts from ``first``, when the job was first asked for."""

    id: str
    until: Until
    first: int
    end: int | None


class Reference:
    """All records and schedules of one store, at one instant."""

    def __init__(self, now: Millis) -> None:
        self.now = now
        self.jobs: dict[str, Job] = {}
        self.schedules: dict[str, StoredSchedule] = {}
        self._versions: dict[str, int] = {}
        self._holds: dict[str, _Hold] = {}
        self.tokens: dict[str, int] = {}
        """The last token of each id, over all jobs that had it."""

    def advance(self, span: int) -> None:
        """What has expired is gone; nothing else happens by itself."""
        self.now = Millis(self.now + span)
        self.jobs = {id: job for id, job in self.jobs.items() if not job.state.is_terminal or job.due > self.now}
        self._holds = {key: hold for key, hold in self._holds.items() if hold.end is None or hold.end > self.now}

    def enqueue(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        return [self._enqueue(new) for new in jobs]

    def _enqueue(self, new: NewJob) -> Enqueued:
        if new.id in self.jobs:
            return self._existing(new.id)
        unique = new.bonds.unique if new.bonds else None
        if unique is not None:
            hold = self._holds.get(unique.key)
            if hold is not None:
                return self._meet(new, unique, hold)
            self._hold(unique, new.id, self.now)
        return self._make(new, self._instant(new))

    def _existing(self, id: str) -> Enqueued:
        job = self.jobs.get(id)
        if job is None:  # its key has outlived it
            return Enqueued(Disposition.EXISTING, id, None, Millis(0))
        return Enqueued(Disposition.EXISTING, id, job.state, Millis(job.due if job.state in _WAITING else 0))

    def _instant(self, new: NewJob) -> int:
        return new.due if new.due is not None else self.now + (new.delay or 0)

    def _make(self, new: NewJob, due: int) -> Enqueued:
        self.jobs[new.id] = job = Job(new, State.QUEUED, due, unique=new.bonds.unique if new.bonds else None)
        return self._wait(job, due, Disposition.CREATED)

    def _wait(self, job: Job, due: int, said: Disposition) -> Enqueued:
        job.state, job.due = (State.SCHEDULED, due) if due > self.now else (State.QUEUED, self.now)
        return Enqueued(said, job.new.id, job.state, Millis(job.due))

    def _hold(self, unique: UniqueKey, id: str, first: int) -> None:
        end = None if unique.within is None else first + unique.within
        if end is None or end > self.now:
            self._holds[unique.key] = _Hold(id, unique.until, first, end)
        else:
            self._holds.pop(unique.key, None)

    def _meet(self, new: NewJob, unique: UniqueKey, hold: _Hold) -> Enqueued:
        """What becomes of a request for a key that is held: a job that waits is moved or replaced, if it shall be."""
        job = self.jobs.get(hold.id)
        if job is None or unique.on_conflict is OnConflict.KEEP or job.state not in _WAITING:
            return self._existing(hold.id)
        due = self._instant(new) if hold.end is None else min(self._instant(new), hold.end)
        if unique.on_conflict is OnConflict.RESCHEDULE:
            return self._wait(job, due, Disposition.RESCHEDULED)
        if job.unique is not None and job.unique.key != unique.key:
            self._free(job, *Until)
        self._hold(unique, hold.id, hold.first)
        return self._make(new._replace(id=hold.id), due)._replace(disposition=Disposition.REPLACED)

    def _free(self, job: Job, *ways: Until) -> None:
        """The job holds its key no more, if that is held in one of these ways."""
        hold = self._holds.get(job.unique.key) if job.unique else None
        if job.unique is not None and hold is not None and hold.id == job.new.id and hold.until in ways:
            del self._holds[job.unique.key]

    def settle(self, settlement: Settlement) -> set[Settled]:
        """The answers that are allowed."""
        job, token = self.jobs.get(settlement.id), settlement.token
        if job is None:
            return {Settled.GONE}
        if job.state is State.ACTIVE and job.token == token:
            self._write(job, settlement)
            return {Settled.WRITTEN}
        if token not in job.settled:
            return {Settled.LOST}
        nothing_between = job.token == token and not job.was_operated
        return {Settled.REPEATED} if nothing_between else {Settled.REPEATED, Settled.LOST}

    def _write(self, job: Job, settlement: Settlement) -> None:
        job.state, job.memo = settlement.state, settlement.memo
        job.settled.add(settlement.token)
        if job.state.is_terminal:
            self._free(job, Until.STARTED, Until.SETTLED)
            self._end(job, settlement.keep_for)
        elif job.state is State.QUEUED:
            job.due = 0
        else:
            job.due = settlement.due if settlement.due is not None else self.now + (settlement.delay or 0)

    def _end(self, job: Job, keep_for: int) -> None:
        job.due, job.unique = self.now + keep_for, None
        if keep_for <= 0:
            del self.jobs[job.new.id]

    def keep_house(self, queues: Sequence[str]) -> list[tuple[int, Recovered]]:
        """What lapsed, with the instants of the lapses, longest overdue first; and what is due is queued."""
        overdue = [job for job in self.jobs.values() if job.new.queue in queues and job.due <= self.now]
        recovered: list[tuple[int, Recovered]] = []
        for job in sorted(overdue, key=lambda job: job.due):
            if job.state is State.SCHEDULED:
                job.state = State.QUEUED
            elif job.state is State.ACTIVE:
                job.deliveries += 1
                recovered.append((job.due, Recovered(job.new.id, job.new.queue, job.new.name, job.deliveries)))
                job.state, job.due = State.QUEUED, 0
        return recovered

    def ready(self, queues: Sequence[str]) -> list[Job]:
        """What could be leased, in the order of service: queue by queue."""
        queued = [job for job in self.jobs.values() if job.state is State.QUEUED and job.new.queue in queues]
        return sorted(queued, key=lambda job: (queues.index(job.new.queue), job.rank))

    def lease(self, lease: Lease, queues: Sequence[str] | None, until: int) -> None:
        """Take over one lease of the driver's, which must be of a job whose turn it was. None: whatever its queue."""
        ready = self.ready([lease.queue] if queues is None else queues)
        job = next((job for job in ready if job.new.id == lease.id), None)
        assert job is not None, f"{lease.id!r} was leased, which no claim of {queues} may take: {self.jobs}"
        first = ready[0]
        assert (job.new.queue, job.rank) == (first.new.queue, first.rank), (
            f"{lease.id!r} was leased before it was its turn: {first.new.id!r} is served first"
        )
        assert lease._replace(token=0) == job.leased(), "a lease holds what the job is"
        assert lease.token > self.tokens.get(lease.id, 0), "tokens grow with each lease of an id"
        job.state, job.due, job.token = State.ACTIVE, until, lease.token
        self._free(job, Until.STARTED)
        self.tokens[lease.id] = lease.token

    def holds(self, hold: Hold) -> Job | None:
        """The job, if this lease of it holds."""
        job = self.jobs.get(hold.id)
        return job if job is not None and job.state is State.ACTIVE and job.token == hold.token else None

    def renew(self, hold: Hold, lease_for: int | None) -> Renewal:
        job = self.holds(hold)
        if job is None:
            return Renewal.LOST
        if lease_for is not None:
            job.due = self.now + lease_for
        return Renewal.CANCEL if job.is_asked else Renewal.RENEWED

    def act(self, act: Act) -> Acted:
        job = self.jobs.get(act.id)
        if job is None:
            return Acted(None, done=False)
        match act.deed:
            case Deed.CANCEL:
                return self._cancel(job, act)
            case Deed.REPLAY:
                return self._replay(job, act)
            case _:
                return self._delete(job, act)

    def _replay(self, job: Job, act: Act) -> Acted:
        found, waits = job.state, job.state in _WAITING
        if not found.is_terminal:
            return Acted(found, done=waits and act.memo is not None and job.memo == act.memo)
        if act.seen not in (None, (found, job.token)):
            return Acted(found, done=False)
        job.state, job.due = (State.SCHEDULED, self.now + act.delay) if act.delay > 0 else (State.QUEUED, self.now)
        job.memo = job.memo if act.memo is None else act.memo
        job.new = job.new if act.body is None else job.new._replace(body=act.body)
        job.deliveries, job.is_asked, job.was_operated = 0, False, True
        return Acted(found, done=True)

    def _delete(self, job: Job, act: Act) -> Acted:
        found = job.state
        if found is State.ACTIVE or act.seen not in (None, (found, job.token)):
            return Acted(found, done=False)
        self._free(job, *Until)
        del self.jobs[act.id]
        return Acted(found, done=True)

    def _cancel(self, job: Job, act: Act) -> Acted:
        found = job.state
        if found is State.ACTIVE:
            job.is_asked = True
        if found.is_terminal or found is State.ACTIVE:
            return Acted(found, done=False)
        self._free(job, *Until)
        job.state, job.was_operated = State.CANCELLED, True
        job.memo = job.memo if act.memo is None else act.memo
        self._end(job, act.keep_for)
        return Acted(found, done=True)

    def change(self, change: Change, said: int) -> Changed:
        """``said`` is the version that the store chose. It is free to choose one where a deleted schedule stood."""
        stands = self.schedules.get(change.key)
        if change.expected != (stands.version if stands else 0):
            return Changed(applied=False, stands=stands)
        self.schedules.pop(change.key, None)
        if change.successor is not None:
            last = self._versions.get(change.key, 0)
            version = last + 1 if stands else max(said, last + 1)
            self._versions[change.key] = version
            self.schedules[change.key] = replace(change.successor, version=version)
        return Changed(applied=True, stands=self.schedules.get(change.key), jobs=tuple(self.enqueue(change.jobs)))

    def view(self, queue: str) -> QueueView:
        states = [job.state for job in self.jobs.values() if job.new.queue == queue]
        ready = self.ready([queue])
        return QueueView(
            **{state.value: states.count(state) for state in State},
            oldest_ready=Millis(ready[0].due) if ready else None,
        )

    def next_instant(self, queues: Sequence[str]) -> int | None:
        """When housekeeping of these queues finds something next."""
        waits = (State.SCHEDULED, State.ACTIVE)
        instants = [job.due for job in self.jobs.values() if job.state in waits and job.new.queue in queues]
        return min(instants, default=None)

    def next_change(self) -> int | None:
        """The next instant at which something is due, ends or expires."""
        instants = [job.due for job in self.jobs.values() if job.state is not State.QUEUED]
        instants += [hold.end for hold in self._holds.values() if hold.end is not None]
        return min((at for at in instants if at > self.now), default=None)

    def next_firing(self) -> int | None:
        instants = [each.next_run_at for each in self.schedules.values() if each.next_run_at is not None]
        return min(instants, default=None)
