"""Faults of claims: who gets what, in which order, how much of it, and when to come again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from flowli.driver import Claim, Exchanged, Lease, Millis, Settlement, Turn
from flowli_memory.shelves import Job, Lane
from flowli_memory.store import Store
from tests.conformance.faults.faulty import Faulty, caught_by

__all__: list[str] = []

_numbers = count(1)


@caught_by(
    "test_a_leased_job_is_not_leased_again",
    "test_many_claims_of_one_driver_share_the_jobs",
    "test_many_drivers_share_the_jobs",
    "test_twins_on_other_loops_share_the_jobs",
)
class HandsOutTwice(Faulty):
    """Each claim returns what the claim before it leased, too."""

    _before: Sequence[Lease] = ()

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        before, self._before = self._before, found.leases
        return replace(found, leases=[*before, *found.leases])


@caught_by(
    "test_jobs_of_one_batch_are_served_as_they_came", "test_jobs_of_several_calls_are_served_as_they_became_ready"
)
class ServesTheLastFirst(Faulty):
    """A stack instead of a queue."""

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        return replace(found, leases=found.leases[::-1])


@caught_by(
    "test_jobs_of_one_batch_are_served_as_they_came",
    "test_scheduled_jobs_are_served_in_the_order_of_their_instants",
    "test_equal_priorities_are_served_as_they_became_ready",
)
class ServesByPriorityAlone(Faulty):
    """Among equals, time does not count."""

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        def rank(lease: Lease) -> tuple[int, str]:
            job = self.job(lease.id)
            return (0 if job is None else job.priority, lease.id)

        return replace(found, leases=sorted(found.leases, key=rank, reverse=True))


@caught_by("test_named_queues_are_served_strictly_in_their_order", "test_one_claim_is_filled_from_several_queues")
class ServesQueuesByName(Faulty):
    """The order in which a runner named its queues is lost."""

    def claims(self, claim: Claim) -> Claim:
        return claim if claim.queues is None else replace(claim, queues=sorted(claim.queues, reverse=True))


@caught_by("test_no_queue_waits_for_ever_behind_a_full_one")
class BeginsWithTheSameQueue(Faulty):
    """All queues are served, each time from the first."""

    def claims(self, claim: Claim) -> Claim:
        return replace(claim, queues=sorted(self.store.lanes)) if claim.queues is None else claim


@caught_by("test_settlements_of_several_queues_go_together", "test_one_claim_is_filled_from_several_queues")
class ReachesOneQueueAtATime(Faulty):
    """Keys without a hash tag: of a call on several queues only what is in the slot of the first one is done."""

    def claims(self, claim: Claim) -> Claim:
        return claim if claim.queues is None else replace(claim, queues=claim.queues[:1])

    def settles(self, one: Settlement) -> Settlement:
        self.slot = self.slot or one.queue
        return one if one.queue == self.slot else one._replace(token=0)

    slot = ""


@caught_by("test_a_claim_of_no_queues_takes_nothing")
class TakesNoneForAll(Faulty):
    """A claim of no queues is one of all."""

    def claims(self, claim: Claim) -> Claim:
        return claim if claim.queues else replace(claim, queues=None)


@caught_by("test_bodies_bound_what_a_claim_takes")
class IgnoresTheByteBudget(Faulty):
    """A claim takes its limit, however large the bodies are."""

    def claims(self, claim: Claim) -> Claim:
        return replace(claim, max_bytes=10**12)


@caught_by("test_one_job_is_leased_whatever_its_size")
class LeavesWhatIsLarge(Faulty):
    """A job that is larger than the budget blocks its queue."""

    def claims(self, claim: Claim) -> Claim:
        first = next((job for lane in self.store.lanes.values() for job in lane.queued), None)
        return replace(claim, limit=0) if first is not None and len(first.body) > claim.max_bytes else claim


@caught_by("test_a_claim_takes_no_more_than_its_limit", "test_many_lapses_are_all_handed_back_over_several_calls")
class NeverSaysMore(Faulty):
    """A runner is sent to sleep before a full queue."""

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        return replace(found, more=False)


@caught_by(
    "test_next_at_is_no_later_than_the_next_due_instant",
    "test_next_at_is_no_later_than_the_end_of_a_lease",
    "test_next_at_counts_the_leases_of_the_same_call",
)
class ForetellsNothing(Faulty):
    """A runner is not told when the next job is due."""

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        return replace(found, next_at=None)


@caught_by(
    "test_a_claim_repeated_returns_its_leases_and_takes_no_others", "test_a_lost_claim_is_found_again_with_a_limit_of_0"
)
class ForgetsTurnsOfRunners(Faulty):
    """A repeated claim is one claim more."""

    def claims(self, claim: Claim) -> Claim:
        return replace(claim, turn=Turn(claim.turn.sender, next(_numbers)))


@caught_by("test_a_claim_is_remembered_for_ten_minutes")
class ForgetsTurnsSoon(Faulty):
    """A runner that was cut off for some minutes leases others, and leaves what it has to lapse."""

    def claims(self, claim: Claim) -> Claim:
        return replace(claim, turn=Turn(f"{claim.turn.sender}-{self.minute}", claim.turn.number))

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        self.minute = (now or 0) // 60_000
        return await super().exchange(settlements, claim, now=now)


@caught_by("test_the_same_number_of_another_runner_is_a_claim_of_its_own")
class KnowsTurnsByNumber(Faulty):
    """Two runners that count alike get the answers of each other."""

    def claims(self, claim: Claim) -> Claim:
        return replace(claim, turn=Turn("everybody", claim.turn.number))


@caught_by("test_a_repeated_claim_promises_no_more_time_than_its_leases_have")
class PromisesTooMuchTime(Faulty):
    """A repeated claim names a deadline that its leases do not have."""

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        return replace(found, lease_until=Millis(found.now + claim.lease_for))


@caught_by("test_a_lease_holds_what_the_job_is", "test_a_job_handed_back_is_ready_at_the_front")
class ReadySinceItWasLeased(Faulty):
    """The wait that users see is always none."""

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        return replace(found, leases=[lease._replace(ready_at=found.now) for lease in found.leases])


@caught_by("test_tokens_grow_with_each_lease_of_a_job", "test_a_stale_token_cannot_settle")
class RepeatsTokens(Faulty):
    """Each lease of a job has the token of the one before."""

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        for lease in found.leases:
            job = self.job(lease.id)
            if job is not None:
                job.token = 7
        return replace(found, leases=[lease._replace(token=7) for lease in found.leases])


class _CountingStore(Store):
    def lease(self, job: Job, until: int, now: int) -> None:
        super().lease(job, until, 0)


@caught_by("test_a_token_is_above_those_of_a_store_that_was_lost")
class CountsTokensFromOne(Faulty):
    """A store that was restored gives the tokens of yesterday."""

    def make_store(self) -> Store:
        return _CountingStore()


@caught_by("test_each_lapse_counts_one_delivery", "test_one_claim_recovers_and_leases_again")
class CountsNoLapses(Faulty):
    """A job that kills its runners is delivered for ever."""

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        for lapse in found.recovered:
            job = self.job(lapse.id)
            if job is not None:
                job.deliveries = 0
        return replace(found, leases=[lease._replace(deliveries=0) for lease in found.leases])


class _BackOfTheQueue(Store):
    def hand_back(self, job: Job) -> None:
        job.lane.queued.add(job, 10**14, job.arrival + 10**6, -job.priority)


@caught_by(
    "test_a_job_handed_back_is_served_before_its_equals",
    "test_a_job_whose_lease_lapsed_is_served_before_its_equals",
    "test_a_recovered_job_is_ready_at_the_front",
)
class HandsBackToTheEnd(Faulty):
    """What was interrupted waits behind everything."""

    def make_store(self) -> Store:
        return _BackOfTheQueue()


@caught_by(
    "test_a_lapsed_lease_does_not_hide_behind_live_ones",
    "test_a_lapsed_lease_does_not_hide_behind_renewed_ones",
)
class LooksAtAHundredLeases(Faulty):
    """Recovery sees the oldest leases only; many that are alive hide one that lapsed."""

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        for lane in self.store.lanes.values():
            for job in sorted(lane.active, key=lambda job: job.token)[100:]:
                if now is not None and job.instant <= now:
                    self.store.extend(job, now + 1)
        return await super().exchange(settlements, claim, now=now)


@caught_by("test_the_longest_overdue_are_handed_back_first")
class RecoversTheYoungestFirst(Faulty):
    """What has been stuck for longest goes on waiting."""

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        return replace(found, recovered=found.recovered[::-1])


class _RecoversNothing(Store):
    def named(self, queues: Sequence[str] | None) -> list[Lane]:
        lanes = super().named(queues)
        for job in [job for lane in lanes for job in lane.active]:
            self.extend(job, 10**15)
        return lanes


@caught_by("test_a_lease_that_ends_now_has_ended", "test_any_runner_recovers_the_jobs_of_another")
class RecoversNothing(Faulty):
    """The jobs of a runner that died are never run again."""

    def make_store(self) -> Store:
        return _RecoversNothing()
