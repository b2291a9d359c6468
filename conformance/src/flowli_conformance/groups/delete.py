"""What `Deed.DELETE` promises: nothing is left of what waits or has ended, and what runs stands."""

from __future__ import annotations

import pytest

from flowli.driver import Acted, Disposition, Seen, Settled, State
from flowli_conformance.bench import HOUR, LEASE, MINUTE, Bench, background, new_job, new_jobs, promptly, settlement
from flowli_conformance.suite import Suite

__all__ = ["DeleteSuite"]

_NOT_LEASED = [state for state in State if state is not State.ACTIVE]


class DeleteSuite(Suite):
    """What is deleted is as if it had never been."""

    @pytest.mark.parametrize("state", _NOT_LEASED)
    async def test_nothing_is_left_of_what_was_deleted(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a", priority=1), new_job("b"))
        assert await bench.delete("a", "b") == [Acted(state, True)] * 2, "and it is said what was met"
        view = (await bench.overview("mail")).queues.get("mail")
        assert view is None or sum(getattr(view, one.value) for one in State) == 0, "it is counted nowhere"
        for one in State:
            found = await bench.driver.list_jobs(one, limit=10, now=bench.clock)
            assert [job.id for job in found.items] == [], "it is listed nowhere"
        assert await bench.find("a") is None, "and read by nobody"
        bench.advance(2 * HOUR)
        assert await bench.lease_ids() == [], "and it never runs"

    @pytest.mark.parametrize("state", _NOT_LEASED)
    @pytest.mark.parametrize(("queue", "priority"), [("mail", 0), ("mail", 5), ("other", 0)])
    async def test_the_id_of_what_was_deleted_is_free(
        self, bench: Bench, state: State, queue: str, priority: int
    ) -> None:
        await bench.bring(state, new_job("a", body=b"first"))
        await bench.delete("a")
        (answer,) = await bench.enqueue(new_job("a", queue=queue, priority=priority, body=b"second"))
        assert answer.disposition is Disposition.CREATED, "its id is free at once"
        job = await bench.get("a")
        assert (job.body, job.memo, job.deliveries) == (b"second", b"", 0), "nothing of the old job is in the new one"
        leases = await bench.lease(queues=["mail", "other"])
        assert [(lease.id, lease.queue, lease.body) for lease in leases] == [("a", queue, b"second")], "it runs once"

    async def test_what_is_leased_stands(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        before = await bench.get("a")
        assert await bench.delete("a") == [Acted(State.ACTIVE, False)], "its runner would write to nothing"
        bench.advance(LEASE)
        assert await bench.delete("a") == [Acted(State.ACTIVE, False)], "nor after a lapse that nobody handed back yet"
        assert await bench.get("a") == before, "nothing of it is changed"
        assert await bench.settle(settlement(lease)) == [Settled.WRITTEN], "and its runner ends it"

    async def test_a_job_that_was_handed_back_is_deleted(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE)
        await bench.keep_house()
        assert await bench.delete("a") == [Acted(State.QUEUED, True)], "nobody holds it"
        assert await bench.settle(settlement(lease)) == [Settled.GONE], "and its last holder hears that it is gone"

    async def test_a_retry_that_waits_is_deleted(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.SCHEDULED, delay=MINUTE))
        assert await bench.delete("a") == [Acted(State.SCHEDULED, True)], "a retry is scheduled"
        bench.advance(HOUR)
        assert await bench.lease_ids() == [], "and does not come"

    async def test_a_token_is_never_given_again(self, bench: Bench) -> None:
        (first,) = await bench.start(new_job("a"))
        await bench.settle(settlement(first, State.FAILED))
        await bench.delete("a")
        (second,) = await bench.start(new_job("a"))
        assert second.token > first.token, "a runner of the old job must not write to the new one"

    async def test_an_unknown_and_an_expired_job_are_not_deleted(self, bench: Bench) -> None:
        await bench.bring(State.COMPLETED, new_job("a"), keep_for=HOUR)
        bench.advance(HOUR)
        assert await bench.delete("nobody", "a") == [Acted(None, False)] * 2, "an id without a record is an answer"

    async def test_a_repeated_deletion_finds_nothing(self, bench: Bench) -> None:
        await bench.bring(State.FAILED, new_job("a"), new_job("b"))
        assert await bench.delete("a", "a") == [Acted(State.FAILED, True), Acted(None, False)], "it is gone already"
        assert (await bench.get("b")).state is State.FAILED, "and no other job goes with it"

    async def test_what_was_seen_has_to_stand_to_be_deleted(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.FAILED))
        seen = Seen(State.FAILED, lease.token)
        await bench.replay("a")
        assert await bench.delete("a", seen=seen) == [Acted(State.QUEUED, False)], (
            "somebody replayed it since the purge looked: it is not what was to be purged"
        )
        (again,) = await bench.lease()
        await bench.settle(settlement(again, State.FAILED))
        assert await bench.delete("a", seen=seen) == [Acted(State.FAILED, False)], "nor is its next failure"
        assert await bench.delete("a", seen=Seen(State.FAILED, again.token)) == [Acted(State.FAILED, True)], (
            "as it was seen, so it stands"
        )

    async def test_many_jobs_are_deleted_and_hide_nothing_behind_them(self, bench: Bench) -> None:
        jobs = new_jobs(1_200)
        await bench.enqueue(*jobs, new_job("behind"))
        assert await bench.delete(*(job.id for job in jobs)) == [Acted(State.QUEUED, True)] * 1_200, (
            "a batch may be large"
        )
        view = (await bench.overview("mail")).queues["mail"]
        assert (view.queued, view.oldest_ready) == (1, bench.now), "what is left is counted"
        found = await bench.exchange(bench.claim(1))
        while not found.leases and found.more:
            found = await bench.exchange(bench.claim(1))
        assert [lease.id for lease in found.leases] == ["behind"], "and served"

    async def test_whoever_waits_for_it_hears_that_it_is_gone(self, live: Bench) -> None:
        await live.enqueue(new_job("a"))
        waits = live.outcomes("a", wait=10 * MINUTE)
        async with background(waits) as waiting:
            await live.under_way()
            await live.delete("a")
            found = await promptly(waiting, "a caller would wait for a job that no longer is")
        assert found == {"a": None}, "there is no outcome any more"
