"""A driver and the reference side by side: every verb goes to both, and both must say the same.

It knows the verbs and where the contract leaves an answer open. It refuses to choose what is called, and when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, TypeVar

from flowli.driver import (
    Ability,
    Act,
    Change,
    Claim,
    Driver,
    Enqueued,
    Exchanged,
    Hold,
    Lease,
    Millis,
    NewJob,
    Overview,
    QueueView,
    RunnerNote,
    Settlement,
    State,
    StoredJob,
    StoredSchedule,
    Turn,
)
from flowli_conformance.bench import START
from flowli_conformance.model.reference import Job, Reference

__all__ = ["Session"]

T = TypeVar("T")

_PAGE = 2
"""Small, so that a listing of a few jobs has several pieces."""


class Session:
    """Two drivers on one store, one of them in use, and the reference. ``ids`` and ``queues`` are all that is used."""

    def __init__(self, make_driver: Callable[[], Driver], ids: Sequence[str], queues: Sequence[str]) -> None:
        self._make_driver = make_driver
        self._ids, self._queues = ids, queues
        self._loop = asyncio.Runner()
        self._drivers: list[Driver] = []
        self._notes: dict[str, RunnerNote] = {}
        self._known: set[str] = set()
        self.reference = Reference(START)
        self.switch()

    @property
    def now(self) -> Millis:
        return self.reference.now

    @property
    def abilities(self) -> AbstractSet[Ability]:
        """That the driver declares."""
        return self._driver.abilities

    @property
    def _driver(self) -> Driver:
        return self._drivers[0]

    def _run(self, call: Coroutine[Any, Any, T]) -> T:
        return self._loop.get_loop().run_until_complete(call)

    def close(self) -> None:
        """Close every driver, and the event loop."""
        try:
            for driver in self._drivers:
                self._run(driver.close())
        finally:
            self._loop.close()

    def switch(self) -> None:
        """Use the other driver."""
        if len(self._drivers) < 2:
            driver = self._make_driver()
            self._drivers.insert(0, driver)
            self._run(driver.open())
        else:
            self._drivers.reverse()

    def reopen(self) -> None:
        """Close the driver in use and open it again: what is stored stays."""
        self._run(self._driver.close())
        self._run(self._driver.open())

    def enqueue(self, jobs: Sequence[NewJob], turn: Turn | None) -> list[Enqueued]:
        answers = list(self._run(self._driver.enqueue(jobs, turn=turn, now=self.now)))
        self._known.update(job.queue for job in jobs)
        assert answers == self.reference.enqueue(jobs), "an enqueue is answered as the contract says"
        return answers

    def repeat_enqueue(self, jobs: Sequence[NewJob], turn: Turn, first: Sequence[Enqueued]) -> None:
        answers = list(self._run(self._driver.enqueue(jobs, turn=turn, now=self.now)))
        assert answers == first, "an enqueue that is repeated under its turn is answered as before, and stores nothing"

    def exchange(self, settlements: Sequence[Settlement], claim: Claim | None) -> list[Lease]:
        """Settle, and lease if there is a claim; the leases are the driver's choice among those allowed."""
        found = self._run(self._driver.exchange(settlements, claim, now=self.now))
        self._check_settled(found, settlements)
        if claim is not None:
            queues = self._served(claim)
            self._check_house(found, queues)
            self._check_leases(found, claim, queues)
            self._check_foresight(found, queues)
        return list(found.leases)

    def repeat_exchange(self, settlements: Sequence[Settlement], claim: Claim, first: Sequence[Lease]) -> list[Lease]:
        """The same under the same turn. If the first took nothing, this may be the call that has its effect."""
        found = self._run(self._driver.exchange(settlements, claim, now=self.now))
        self._check_settled(found, settlements)
        queues = self._served(claim)
        self._check_house(found, queues)
        if first or not found.leases:
            self._check_repeated(found, claim, first)
        else:
            self._check_leases(found, claim, queues)
        self._check_foresight(found, queues)
        return list(found.leases)

    def _served(self, claim: Claim) -> Sequence[str]:
        return self._queues if claim.queues is None else claim.queues

    def _check_settled(self, found: Exchanged, settlements: Sequence[Settlement]) -> None:
        assert len(found.settled) == len(settlements), "answers come one for each settlement"
        for settlement, answer in zip(settlements, found.settled, strict=True):
            allowed = self.reference.settle(settlement)
            assert answer in allowed, f"{settlement} may be answered {allowed}"

    def _check_house(self, found: Exchanged, queues: Sequence[str]) -> None:
        expected = self.reference.keep_house(queues)
        assert sorted(found.recovered) == sorted(lapse for _, lapse in expected), (
            "each lapsed lease is handed back once"
        )
        ends = {lapse.id: end for end, lapse in expected}
        for queue in queues:
            order = [ends[lapse.id] for lapse in found.recovered if lapse.queue == queue]
            assert order == sorted(order), "the longest overdue are handed back first"

    def _check_leases(self, found: Exchanged, claim: Claim, queues: Sequence[str]) -> None:
        expected = min(claim.limit, len(self.reference.ready(queues)))
        assert len(found.leases) == expected, "a claim takes what is ready, up to its limit"
        if found.leases:
            assert found.lease_until == self.now + claim.lease_for, "a lease ends lease_for from now"
        for lease in found.leases:
            self.reference.lease(lease, claim.queues, self.now + claim.lease_for)

    def _check_repeated(self, found: Exchanged, claim: Claim, first: Sequence[Lease]) -> None:
        """The leases that still hold may have been extended to the span of this call, or not."""
        held = [lease for lease in first if self.reference.holds(Hold(lease.queue, lease.id, lease.token))]
        assert list(found.leases) == held, "a repeat returns those of its leases that still hold, and takes no others"
        for lease, stored in zip(held, self._get([lease.id for lease in held]), strict=True):
            job = self.reference.jobs[lease.id]
            assert stored is not None and stored.due in (job.due, self.now + claim.lease_for)
            assert found.lease_until <= stored.due, "a repeat promises no more time than its leases have"
            job.due = stored.due

    def _check_foresight(self, found: Exchanged, queues: Sequence[str]) -> None:
        assert found.now == self.now, "the answer names the instant at which it was true"
        assert found.schedule_at == self.reference.next_firing(), "a runner knows when to fire"
        assert found.more == bool(self.reference.ready(queues)), "more says whether something is left"
        soonest = self.reference.next_instant(queues)
        if soonest is not None:
            assert found.next_at is not None and found.next_at <= soonest, "next_at oversleeps nothing"
        assert found.next_at is None or found.next_at > self.now, "what has come already is not still to come"

    def renew(self, holds: Sequence[Hold], lease_for: Millis | None) -> None:
        answers = list(self._run(self._driver.renew(holds, lease_for, now=self.now)))
        assert answers == [self.reference.renew(hold, lease_for) for hold in holds], "a lease is its token's, or lost"

    def act(self, acts: Sequence[Act]) -> None:
        answers = list(self._run(self._driver.act(acts, now=self.now)))
        assert answers == [self.reference.act(act) for act in acts], "an act does what its deed says, or nothing"

    def change(self, changes: Sequence[Change]) -> None:
        found = self._run(self._driver.change_schedules(changes, now=self.now))
        answers = [replace(each, jobs=tuple(each.jobs)) for each in found]
        self._known.update(job.queue for change in changes for job in change.jobs)
        versions = [each.stands.version if each.stands else 0 for each in answers]
        expected = [self.reference.change(*pair) for pair in zip(changes, versions, strict=True)]
        assert answers == expected, "one compare-and-set decides, by a version that no other schedule of the key had"

    def announce(self, note: RunnerNote) -> None:
        self._run(self._driver.announce(note, now=self.now))
        self._notes[note.id] = note

    def _get(self, ids: Sequence[str]) -> Sequence[StoredJob | None]:
        return self._run(self._driver.get_jobs(ids, now=self.now))

    def compare(self) -> None:
        """Every record and every count is what the reference says."""
        records, overview = self._run(self._snapshot())
        for id, stored in zip(self._ids, records, strict=True):
            job = self.reference.jobs.get(id)
            if job is not None and stored is not None:
                self._allow_promotion(job, stored)
            assert stored == (job and job.stored()), f"the record of {id!r} is what the calls so far made of it"
        occupied = {job.new.queue for job in self.reference.jobs.values()}
        assert occupied <= set(overview.queues) <= self._known, "a queue is known while any job of it is kept"
        views: dict[str, QueueView] = {queue: self.reference.view(queue) for queue in overview.queues}
        assert dict(overview.queues) == views, "each job is counted once, in the state it is in"
        assert (overview.schedules, overview.now) == (len(self.reference.schedules), self.now)
        alive = [note for note in self._notes.values() if note.alive_until > self.now]
        assert sorted(note.id for note in overview.runners) == sorted(note.id for note in alive), (
            "who is alive is listed"
        )

    async def _snapshot(self) -> tuple[Sequence[StoredJob | None], Overview]:
        driver = self._driver
        return await driver.get_jobs(self._ids, now=self.now), await driver.overview(now=self.now)

    def _allow_promotion(self, job: Job, stored: StoredJob) -> None:
        """A store may queue what is due by itself, without a claim; but never what was settled as scheduled."""
        if job.state is State.SCHEDULED and job.due <= self.now and not job.settled and stored.state is State.QUEUED:
            job.state = State.QUEUED

    def look_at_jobs(self, state: State, queue: str | None) -> None:
        """A listing, met in pieces, is what the reference says."""
        listed = list(self._listed(state, queue))
        jobs = [job for job in self.reference.jobs.values() if job.state is state and queue in (None, job.new.queue)]
        expected = {job.new.id: replace(job.stored(), body=None) for job in jobs}
        assert len(listed) == len(expected), f"each job that is {state} is listed once"
        assert {job.id: job for job in listed} == expected, f"a listing of {state} shows what a read shows"
        if state is State.QUEUED and queue is not None:
            ranks = [self.reference.jobs[job.id].rank for job in listed]
            assert ranks == sorted(ranks), "a queue is listed in the order of service"

    def look_at_outcomes(self) -> None:
        """Who waits hears of what has ended, and of what is not there."""
        jobs = self.reference.jobs
        known = {id: jobs[id].stored() if id in jobs else None for id in self._ids}
        expected = {id: job for id, job in known.items() if job is None or job.state.is_terminal}
        found = self._run(self._driver.outcomes(self._ids, now=self.now))
        assert dict(found) == expected, "outcomes are those of jobs that ended, and None where no record is"

    def _listed(self, state: State, queue: str | None) -> Iterator[StoredJob]:
        cursor = None
        while True:
            verb = self._driver.list_jobs(state, queue=queue, limit=_PAGE, cursor=cursor, now=self.now)
            piece = self._run(verb)
            yield from piece.items
            cursor = piece.cursor
            if cursor is None:
                return

    def look_at_schedules(self) -> None:
        """Every schedule, and those that are due, are what the reference says."""
        standing = sorted(self.reference.schedules.values(), key=lambda each: each.key)
        listed = self._run(self._driver.list_schedules(limit=10, now=self.now)).items
        assert list(listed) == standing, "schedules are listed by key"
        due = self._run(self._driver.list_schedules(due=True, limit=10, now=self.now)).items
        overdue = [each for each in standing if each.next_run_at is not None and each.next_run_at <= self.now]
        assert sorted(each.key for each in due) == [each.key for each in overdue], "what has come is due"
        instants = [each.next_run_at or 0 for each in due]
        assert instants == sorted(instants), "longest overdue first"
        keys = [each.key for each in standing]
        found: Sequence[StoredSchedule | None] = self._run(self._driver.get_schedules([*keys, "nobody"]))
        assert list(found) == [*standing, None], "a schedule is read as it was written"
