"""What a lease promises while it holds: renewal, cancellation made known, fencing. What lapsed is in `recovery`."""

from __future__ import annotations

import pytest

from flowli.driver import Hold, Lease, Millis, Renewal, Settled, State
from flowli_conformance.bench import HOUR, LEASE, MINUTE, Bench, new_job, new_jobs, settlement
from flowli_conformance.suite import Suite

__all__ = ["LeaseSuite"]

RENEWED, LOST, CANCEL = Renewal.RENEWED, Renewal.LOST, Renewal.CANCEL


async def _taken_over(bench: Bench) -> tuple[Lease, Lease]:
    """Two leases of one job: of a runner that was away too long, and of the one that took over."""
    (stale,) = await bench.start(new_job("a"), lease_for=LEASE)
    bench.advance(LEASE)
    return stale, await bench.lease_one("a", lease_for=HOUR)


class LeaseSuite(Suite):
    """Who holds the token holds the job, and nobody else can write to it."""

    async def test_a_renewal_extends_a_lease_from_now(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE - 1)
        assert await bench.renew(lease, lease_for=LEASE) == [RENEWED], "a lease that holds is extended"
        assert (await bench.get("a")).due == bench.at(LEASE), "to lease_for from now, not from its old end"

    async def test_a_renewed_lease_holds_beyond_its_first_end(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE - 1)
        await bench.renew(lease, lease_for=LEASE)
        bench.advance(LEASE - 1)
        assert await bench.lease_ids() == [], "a job whose runner renews runs once, however long it takes"
        assert await bench.settle(settlement(lease)) == [Settled.WRITTEN], "and its runner settles it"

    async def test_a_renewed_lease_ends_at_its_new_end(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        await bench.renew(lease, lease_for=2 * LEASE)
        bench.advance(2 * LEASE)
        assert await bench.lease_ids() == ["a"], "a lease that ends at now has ended"

    async def test_renewals_are_answered_in_order(self, bench: Bench) -> None:
        held, settled, asked = await bench.start(new_job("held"), new_job("settled"), new_job("asked"))
        await bench.settle(settlement(settled))
        await bench.cancel("asked")
        assert await bench.renew(settled, held, asked, held) == [LOST, RENEWED, CANCEL, RENEWED], (
            "each answer belongs to the lease at its place in the batch"
        )

    async def test_no_renewals_have_no_answers(self, bench: Bench) -> None:
        assert await bench.renew() == [], "one answer for each lease, so none for none"

    async def test_many_renewals_are_answered_each(self, bench: Bench) -> None:
        leases = await bench.start(*new_jobs(2_500))
        assert await bench.renew(*leases, lease_for=HOUR) == [RENEWED] * 2_500, "a batch of renewals may be large"
        bench.advance(HOUR - 1)
        assert await bench.lease_ids() == [], "and every one of them counts"

    async def test_an_unknown_lease_is_lost(self, bench: Bench) -> None:
        hold = Hold("mail", "nobody", 7)
        assert list(await bench.driver.renew([hold], Millis(LEASE), now=bench.now)) == [LOST], (
            "what has no record cannot be held: its runner stops"
        )

    @pytest.mark.parametrize("lease_for", [LEASE, None])
    @pytest.mark.parametrize("state", [State.COMPLETED, State.SCHEDULED, State.QUEUED])
    async def test_a_settled_lease_is_lost(self, bench: Bench, state: State, lease_for: int | None) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, state, delay=MINUTE if state is State.SCHEDULED else None))
        before = await bench.get("a")
        assert await bench.renew(lease, lease_for=lease_for) == [LOST], "a settlement ends the lease"
        assert await bench.get("a") == before, "and a late renewal does not bring it back"

    @pytest.mark.parametrize("lease_for", [LEASE, None])
    async def test_a_stale_token_is_not_renewed(self, bench: Bench, lease_for: int | None) -> None:
        stale, current = await _taken_over(bench)
        before = await bench.get("a")
        assert await bench.renew(stale, lease_for=lease_for) == [LOST], (
            "a runner that was away learns that another one took over, and stops"
        )
        assert await bench.get("a") == before, "a refused renewal leaves the record as it was, byte for byte"
        assert await bench.renew(current, lease_for=lease_for) == [RENEWED], "and the lease of the other one holds"

    async def test_a_stale_token_cannot_settle(self, bench: Bench) -> None:
        stale, current = await _taken_over(bench)
        before = await bench.get("a")
        for state in State:
            if state is not State.ACTIVE:
                stale_settlement = settlement(
                    stale, state, memo=b"stale", delay=1 if state is State.SCHEDULED else None
                )
                assert await bench.settle(stale_settlement) == [Settled.LOST], (
                    f"a runner that lost its lease must not settle the job as {state}: another one runs it"
                )
        assert await bench.get("a") == before, "a refused settlement leaves the record as it was, byte for byte"
        assert await bench.settle(settlement(current)) == [Settled.WRITTEN], "and the current runner settles it"

    async def test_a_stale_token_cannot_settle_what_was_settled_since(self, bench: Bench) -> None:
        stale, current = await _taken_over(bench)
        await bench.settle(settlement(current, memo=b"result"))
        before = await bench.get("a")
        assert await bench.settle(settlement(stale, State.FAILED, memo=b"stale")) == [Settled.LOST], (
            "exactly one settlement decides how a job ended"
        )
        assert await bench.get("a") == before, "a refused settlement leaves the record as it was, byte for byte"

    async def test_a_token_that_was_never_given_settles_nothing(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        before = await bench.get("a")
        for token in (lease.token - 1, lease.token + 1, 0):
            assert await bench.settle(settlement(lease._replace(token=token))) == [Settled.LOST], "only the token opens"
        assert await bench.get("a") == before, "a refused settlement leaves the record as it was, byte for byte"

    async def test_a_lease_handed_back_by_housekeeping_is_lost(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE)
        await bench.keep_house()
        before = await bench.get("a")
        assert await bench.renew(lease) == [LOST], "a job that waits for another runner is not taken back by a renewal"
        assert await bench.settle(settlement(lease)) == [Settled.LOST], "nor can it be settled"
        assert await bench.get("a") == before, "a refused call leaves the record as it was, byte for byte"

    async def test_a_lapsed_lease_that_was_not_handed_back_is_renewed(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(2 * LEASE)
        assert await bench.renew(lease, lease_for=LEASE) == [RENEWED], (
            "its token is the job's, so nobody else runs it: a late renewal saves the work"
        )
        assert await bench.lease_ids() == [], "and the job is not handed to another runner"

    async def test_a_lapsed_lease_that_was_not_handed_back_can_settle(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(2 * LEASE)
        assert await bench.settle(settlement(lease)) == [Settled.WRITTEN], (
            "its token is the job's, so nobody else runs it: a late result is a result"
        )

    async def test_settlements_come_before_the_housekeeping_of_their_exchange(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(2 * LEASE)
        found = await bench.exchange(bench.claim(), settlement(lease))
        assert (list(found.settled), list(found.leases)) == ([Settled.WRITTEN], []), (
            "a result that arrives with a claim is written before the claim hands its own job to somebody"
        )

    async def test_a_look_extends_nothing(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        before = await bench.get("a")
        bench.advance(LEASE - 1)
        assert await bench.renew(lease, lease_for=None) == [RENEWED], "the lease holds"
        assert await bench.get("a") == before, "and looking leaves its deadline alone"

    @pytest.mark.parametrize("lease_for", [LEASE, None])
    async def test_a_renewal_tells_of_a_cancellation(self, bench: Bench, lease_for: int | None) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.cancel("a")
        assert await bench.renew(lease, lease_for=lease_for) == [CANCEL], "the runner hears that it should stop"
        assert await bench.renew(lease, lease_for=lease_for) == [CANCEL], "until it has settled, also a second time"

    async def test_a_lease_asked_to_cancel_is_extended(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        await bench.cancel("a")
        bench.advance(LEASE - 1)
        await bench.renew(lease, lease_for=LEASE)
        assert (await bench.get("a")).due == bench.at(LEASE), "a handler that is being stopped still holds its job"

    async def test_a_cancellation_concerns_only_its_job(self, bench: Bench) -> None:
        asked, other = await bench.start(new_job("asked"), new_job("other"))
        await bench.cancel("asked")
        assert await bench.renew(other, asked, lease_for=None) == [RENEWED, CANCEL], "nobody else is asked to stop"

    @pytest.mark.parametrize("way", ["handed-back", "retried", "lapsed"])
    async def test_a_cancellation_stands_until_the_job_has_ended(self, bench: Bench, way: str) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        await bench.cancel("a")
        if way == "lapsed":
            bench.advance(LEASE)
        elif way == "retried":
            await bench.settle(settlement(lease, State.SCHEDULED, delay=MINUTE))
            bench.advance(MINUTE)
        else:
            await bench.settle(settlement(lease, State.QUEUED))
        again = await bench.lease_one("a")
        assert await bench.renew(again, lease_for=None) == [CANCEL], (
            "a job that was asked to stop and came back instead is asked again: a cancellation must not get lost"
        )
        await bench.settle(settlement(again, State.CANCELLED))
        assert (await bench.get("a")).state is State.CANCELLED, "until its runner has settled it as cancelled"

    async def test_a_cancellation_is_forgotten_with_its_job(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.cancel("a")
        await bench.settle(settlement(lease, State.CANCELLED, keep_for=0))
        (again,) = await bench.start(new_job("a"))
        assert await bench.renew(again) == [RENEWED], "a new job under the id of a cancelled one is not cancelled"
