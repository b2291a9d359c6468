"""Faults of settlements, renewals and cancellations: fencing, memos, retention, and what is remembered of a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from flowli.driver import Act, Acted, Claim, Exchanged, Hold, Millis, Renewal, Report, Settled, Settlement, State
from flowli_memory.shelves import Job
from flowli_memory.store import Store
from tests.conformance.faults.faulty import Faulty, caught_by

__all__: list[str] = []


@caught_by(
    "test_a_stale_token_cannot_settle",
    "test_a_token_that_was_never_given_settles_nothing",
    "test_the_first_runner_is_refused_after_a_recovery",
)
class SettlesUnderAnyToken(Faulty):
    """A runner that was away too long overwrites what another one does."""

    def settles(self, one: Settlement) -> Settlement:
        job = self.job(one.id)
        return one if job is None else one._replace(token=job.token)


@caught_by("test_a_stale_token_is_not_renewed[30000]", "test_a_stale_token_is_not_renewed[None]")
class RenewsUnderAnyToken(Faulty):
    """A renewal extends the lease of whoever holds the job."""

    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        jobs = [self.job(hold.id) for hold in holds]
        forged = [
            hold if job is None else hold._replace(token=job.token) for hold, job in zip(holds, jobs, strict=True)
        ]
        return await super().renew(forged, lease_for, now=now)


@caught_by("test_a_lapsed_lease_that_was_not_handed_back_is_renewed")
class GivesUpLapsedLeases(Faulty):
    """A renewal that is late is refused, though nobody else runs the job."""

    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        late = [hold for hold in holds if now and (job := self.job(hold.id)) is not None and job.instant <= now]
        renewed = await super().renew([hold for hold in holds if hold not in late], lease_for, now=now)
        return [*renewed, *(Renewal.LOST for _ in late)]


@caught_by("test_a_renewal_extends_a_lease_from_now", "test_a_lease_asked_to_cancel_is_extended")
class RenewsFromTheOldEnd(Faulty):
    """Renewals add up, so that a runner that dies is missed too late."""

    async def renew(
        self, holds: Sequence[Hold], lease_for: Millis | None, *, now: Millis | None = None
    ) -> Sequence[Renewal]:
        ends = [job.instant for hold in holds if (job := self.job(hold.id)) is not None]
        left = max(0, *ends, 0) - (now or 0)
        return await super().renew(holds, None if lease_for is None else Millis(lease_for + max(left, 0)), now=now)


@caught_by("test_a_retry_waits_for_its_instant", "test_each_settlement_replaces_the_memo")
class LosesMemos(Faulty):
    """A lease never shows what the last settlement left."""

    def answers(self, found: Exchanged, claim: Claim) -> Exchanged:
        return replace(found, leases=[lease._replace(memo=b"") for lease in found.leases])


@caught_by("test_each_settlement_replaces_the_memo", "test_a_cleared_memo_leaves_nothing_of_a_large_one")
class KeepsTheLongestMemo(Faulty):
    """A shorter memo does not replace a longer one."""

    def settles(self, one: Settlement) -> Settlement:
        job = self.job(one.id)
        return one if job is None else one._replace(memo=max(one.memo, job.memo, key=len))


@caught_by("test_a_retry_waits_for_its_instant", "test_the_delay_of_a_retry_counts_from_now")
class ForgetsTheRetryTime(Faulty):
    """A retry does not wait for its backoff."""

    def settles(self, one: Settlement) -> Settlement:
        return one._replace(due=None, delay=None)


@caught_by("test_a_retry_that_is_due_is_scheduled_until_a_later_claim[0]")
class QueuesRetriesThatAreDue(Faulty):
    """A retry without a delay is taken by the exchange that settled it."""

    def settles(self, one: Settlement) -> Settlement:
        return one._replace(state=State.QUEUED) if one.due is not None else one


@caught_by(
    "test_a_record_kept_until_now_is_gone_for_every_reader[overview-completed]",
    "test_an_expired_record_is_not_seen_after_its_sweep",
    "test_the_id_of_an_expired_record_is_free[failed]",
)
class KeepsForEver(Faulty):
    """What was to be kept for a while leaks."""

    def settles(self, one: Settlement) -> Settlement:
        return one._replace(keep_for=Millis(10**13)) if one.keep_for else one


@caught_by(
    "test_a_terminal_job_with_nothing_to_keep_leaves_nothing[completed]",
    "test_a_settlement_that_kept_nothing_is_gone_when_repeated",
    "test_the_id_of_a_job_that_kept_nothing_is_free",
)
class KeepsASecond(Faulty):
    """A job that is to leave nothing leaves a record."""

    def settles(self, one: Settlement) -> Settlement:
        return one._replace(keep_for=Millis(max(one.keep_for, 1_000)))


class _ChangesAfterSettling(Faulty):
    def change(self, job: Job) -> None:
        """What happens to a job after each of its settlements."""

    async def exchange(
        self, settlements: Sequence[Settlement], claim: Claim | None = None, *, now: Millis | None = None
    ) -> Exchanged:
        found = await super().exchange(settlements, claim, now=now)
        for one, settled in zip(settlements, found.settled, strict=True):
            job = self.job(one.id)
            if job is not None and settled is Settled.WRITTEN:
                self.change(job)
        return found


@caught_by(
    "test_a_settlement_repeated_is_known_and_changes_nothing[completed]",
    "test_the_settlements_of_a_repeated_exchange_are_repeated",
    "test_one_lease_settled_by_many_is_written_once",
)
class ForgetsWhatItSettled(_ChangesAfterSettling):
    """A runner whose reply was lost is told that its result was refused."""

    def change(self, job: Job) -> None:
        job.settled = None


@caught_by("test_deliveries_survive_settlements")
class ForgetsLapsesWhenSettled(_ChangesAfterSettling):
    """A poison job that fails once in a while is delivered for ever."""

    def change(self, job: Job) -> None:
        job.deliveries = 0


@caught_by(
    "test_a_cancellation_stands_until_the_job_has_ended[handed-back]",
    "test_a_cancellation_stands_until_the_job_has_ended[retried]",
)
class ForgetsCancellationsWhenSettled(_ChangesAfterSettling):
    """A job that was asked to stop goes on with its next attempt."""

    def change(self, job: Job) -> None:
        job.asked = False


@caught_by("test_what_runs_is_asked_and_goes_on", "test_a_renewal_tells_of_a_cancellation[None]")
class CancelsWhatRuns(Faulty):
    """A running job is ended under its runner."""

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        answers = await super().act(acts, now=now)
        for one, (found, *_) in zip(acts, answers, strict=True):
            job = self.job(one.id)
            if job is not None and found is State.ACTIVE:
                job.shelf.remove(job)
                self.store.finish(job, State.CANCELLED, one.keep_for, now or 0)
        return answers


@caught_by("test_a_cancelled_job_never_runs[queued]", "test_what_waits_becomes_cancelled[queued]")
class CancelsInWordsOnly(Faulty):
    """What was cancelled keeps its place in the queue."""

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        jobs = [self.job(one.id) for one in acts]
        return [Acted(None if job is None else job.shelf.state, done=job is not None) for job in jobs]


@caught_by("test_what_has_ended_stands[failed]")
class CancelsWhatHasEnded(Faulty):
    """The memo of a cancellation replaces the result of a job that has ended."""

    async def act(self, acts: Sequence[Act], *, now: Millis | None = None) -> Sequence[Acted]:
        for one in acts:
            job = self.job(one.id)
            if job is not None and one.memo is not None and job.shelf.is_terminal:
                job.memo = one.memo
        return await super().act(acts, now=now)


@caught_by("test_only_the_holder_reports", "test_a_report_outlives_its_attempt[queued]")
class HearsAnybody(Faulty):
    """A report is kept whoever has the job."""

    async def report(self, notes: Sequence[tuple[Hold, bytes]], *, now: Millis | None = None) -> Sequence[bool]:
        self.store.reports |= {hold.id: Report(hold.token, now or Millis(0), note) for hold, note in notes}
        return [True] * len(notes)


@caught_by(
    "test_a_report_is_gone_with_the_job[completed-0]",
    "test_a_report_is_gone_with_a_job_that_is_cancelled_between_two_attempts",
)
class KeepsReportsForEver(Faulty):
    """A report stays behind when its job is over."""

    def __init__(self, store: Store | None = None) -> None:
        super().__init__(store)
        self._all: dict[str, Report] = {}

    async def get_reports(self, ids: Sequence[str]) -> Sequence[Report | None]:
        return [self._all.get(id) for id in ids]

    async def report(self, notes: Sequence[tuple[Hold, bytes]], *, now: Millis | None = None) -> Sequence[bool]:
        kept = await super().report(notes, now=now)
        self._all.update(self.store.reports)
        return kept
