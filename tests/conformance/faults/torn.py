"""Chains of single commands where one step was asked for: what a crash between two of them leaves."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from flowli.driver import (
    Change,
    Changed,
    Claim,
    Disposition,
    Enqueued,
    Exchanged,
    Millis,
    NewJob,
    Settled,
    Settlement,
    State,
    Turn,
)
from tests.conformance.faults.faulty import FAR, Faulty, caught_by

__all__: list[str] = []

_numbers = count(1)


@caught_by("test_a_cancelled_enqueue_is_whole_or_not_there")
class StoresBeforeItQueues(Faulty):
    """Record first, place in the queue later: a crash between leaves a job that is known and never runs."""

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        answers = await super().enqueue([job._replace(due=FAR) for job in jobs], now=now)
        await asyncio.sleep(0)
        for answer in answers:
            job = self.job(answer.id)
            if job is not None and answer.disposition is Disposition.CREATED:
                job.shelf.remove(job)
                job.lane.queued.add(job, now or 0, job.arrival, -job.priority)
        return [answer._replace(state=State.QUEUED, due=now or Millis(0)) for answer in answers]


@caught_by("test_one_id_enqueued_by_many_is_created_once", "test_batches_that_overlap_create_each_job_once")
class LooksBeforeItStores(Faulty):
    """Two requests for one id that come at once find both that it is free."""

    async def enqueue(
        self, jobs: Sequence[NewJob], *, turn: Turn | None = None, now: Millis | None = None
    ) -> Sequence[Enqueued]:
        free = {job.id for job in jobs if self.job(job.id) is None}
        await asyncio.sleep(0)
        late = {id for id in free if self.job(id) is not None}
        made = [job._replace(id=f"{job.id}~{next(_numbers)}") if job.id in late else job for job in jobs]
        answers = self.store.enqueue(made, turn, now or Millis(0))
        return [answer._replace(id=answer.id.partition("~")[0]) for answer in answers]


@caught_by("test_what_a_cancelled_claim_leased_is_found_by_its_turn")
class TakesBeforeItLeases(Faulty):
    """Off the queue first, among the running later: a crash between leaves a job that nobody finds again."""

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        if claim is None or not claim.limit:
            return await super().exchange(settlements, claim, now=now)
        other = replace(claim, turn=Turn("nobody", next(_numbers)), lease_for=FAR)
        found = await super().exchange(settlements, other, now=now)
        await asyncio.sleep(0)
        for lease in found.leases:
            job = self.job(lease.id)
            if job is not None:
                self.store.extend(job, found.now + claim.lease_for)
        self.store.claims.remember(claim.turn, found.leases, found.now)
        return replace(found, lease_until=Millis(found.now + claim.lease_for))


@caught_by("test_a_lease_handed_back_by_housekeeping_is_lost", "test_a_stale_token_cannot_settle")
class SettlesWhatItLost(Faulty):
    """Settling asks for no token: a runner that was taken for dead completes what waits for another one."""

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        found = await super().exchange(settlements, claim, now=now)
        for one, settled in zip(settlements, found.settled, strict=True):
            job = self.job(one.id)
            if job is not None and settled is Settled.LOST and one.state.is_terminal:
                job.shelf.remove(job)
                self.store.finish(job, one.state, one.keep_for, found.now)
        return found


@caught_by("test_a_change_that_lost_stores_no_jobs", "test_many_runners_that_fire_one_instant_store_one_set_of_jobs")
class FiresBeforeItCompares(Faulty):
    """Jobs first, the schedule later: every runner that loses has stored its jobs."""

    async def change_schedules(self, changes: Sequence[Change], *, now: Millis | None = None) -> Sequence[Changed]:
        stored = [await super(FiresBeforeItCompares, self).enqueue(change.jobs, now=now) for change in changes]
        changed = await super().change_schedules([replace(change, jobs=()) for change in changes], now=now)
        return [
            replace(each, jobs=tuple(jobs)) if each.applied else each
            for each, jobs in zip(changed, stored, strict=True)
        ]
