"""What `Deed.REPLAY` promises: what has ended runs once more, as the job that it was."""

from __future__ import annotations

import pytest

from flowli.driver import Acted, Seen, Settled, State
from flowli_conformance.bench import (
    DAY,
    HOUR,
    LEASE,
    MINUTE,
    Bench,
    background,
    new_job,
    new_jobs,
    promptly,
    settlement,
)
from flowli_conformance.suite import Suite

__all__ = ["ReplaySuite"]

_TERMINAL = [State.COMPLETED, State.FAILED, State.CANCELLED]
_OPEN = [State.SCHEDULED, State.QUEUED, State.ACTIVE]


class ReplaySuite(Suite):
    """What is terminal waits again, under its id and its last token; everything else stands."""

    @pytest.mark.parametrize("state", _TERMINAL)
    async def test_what_has_ended_is_queued_again(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a", priority=3))
        before = await bench.get("a")
        bench.advance(MINUTE)
        assert await bench.replay("a", memo=b"once more") == [Acted(state, True)], "and it is said what was met"
        job = await bench.get("a")
        assert (job.state, job.due, job.memo) == (State.QUEUED, bench.now, b"once more"), "it is ready as of now"
        assert (job.token, job.priority, job.queue, job.name, job.head, job.body) == (
            before.token,
            3,
            "mail",
            "send",
            b"head",
            b"body",
        ), "it is the job that it was"

    async def test_a_replayed_job_runs_under_a_greater_token(self, bench: Bench) -> None:
        (first,) = await bench.start(new_job("a"))
        await bench.settle(settlement(first, State.FAILED))
        await bench.replay("a", memo=b"once more")
        (second,) = await bench.lease()
        assert second.token > first.token, "a replay is fenced as every other delivery"
        assert (second.id, second.memo, second.body, second.ready_at) == ("a", b"once more", b"body", bench.now), (
            "the runner gets what the operator left"
        )
        assert await bench.settle(settlement(second)) == [Settled.WRITTEN], "and ends it as any other"
        assert (await bench.get("a")).state is State.COMPLETED, "once"

    async def test_a_runner_of_before_cannot_write_to_a_replayed_job(self, bench: Bench) -> None:
        (first,) = await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE)
        (second,) = await bench.lease()
        await bench.settle(settlement(second, State.FAILED))
        await bench.replay("a")
        before = await bench.get("a")
        assert await bench.settle(settlement(first)) == [Settled.LOST], "its lease was over before the replay"
        (third,) = await bench.lease()
        for late in (first, second):
            (answer,) = await bench.settle(settlement(late, memo=b"late"))
            assert answer is not Settled.WRITTEN, "only the token of the lease that runs now writes"
        assert before.state is State.QUEUED and (await bench.get("a")).state is State.ACTIVE, "nothing has moved it"
        assert await bench.settle(settlement(third)) == [Settled.WRITTEN], "its own settlement is the one that counts"

    async def test_a_settlement_that_is_repeated_after_the_replay_changes_nothing(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.FAILED))
        await bench.replay("a", memo=b"once more")
        before = await bench.get("a")
        (answer,) = await bench.settle(settlement(lease, State.FAILED))
        assert answer is Settled.REPEATED and await bench.get("a") == before, "it was written before, and is over"

    async def test_a_replay_without_a_memo_leaves_the_last_one(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.FAILED, memo=b"three failures"))
        await bench.replay("a")
        assert (await bench.get("a")).memo == b"three failures", "only a memo that is given replaces one"

    async def test_an_empty_memo_of_a_replay_replaces_the_last_one(self, bench: Bench) -> None:
        await bench.bring(State.FAILED, new_job("a"))
        await bench.replay("a", memo=b"")
        assert (await bench.get("a")).memo == b"", "empty is a memo; only None leaves it as it is"

    @pytest.mark.parametrize("body", [b"", b"edited", b"a\nb\x00\xff" * 1_000])
    async def test_an_edited_body_is_what_runs(self, bench: Bench, body: bytes) -> None:
        await bench.bring(State.FAILED, new_job("a", priority=2))
        await bench.replay("a", body=body)
        stored = await bench.get("a")
        assert (stored.body == body, stored.head, stored.name) == (True, b"head", "send"), "the body alone is replaced"
        (lease,) = await bench.lease()
        assert (lease.body == body, lease.head) == (True, b"head"), "the runner gets the edited input"

    async def test_a_delayed_replay_waits(self, bench: Bench) -> None:
        await bench.bring(State.FAILED, new_job("a"))
        assert await bench.replay("a", delay=MINUTE) == [Acted(State.FAILED, True)], "it is replayed, only later"
        job = await bench.get("a")
        assert (job.state, job.due) == (State.SCHEDULED, bench.at(MINUTE)), "it is scheduled for its instant"
        assert await bench.lease_ids() == [], "and not run before"
        bench.advance(MINUTE)
        assert await bench.lease_ids() == ["a"], "when it comes it runs"

    async def test_a_replayed_job_keeps_its_place_among_priorities(self, bench: Bench) -> None:
        await bench.bring(State.FAILED, new_job("urgent", priority=9))
        await bench.enqueue(new_job("plain"))
        bench.advance(1)
        await bench.replay("urgent")
        assert await bench.lease_ids() == ["urgent", "plain"], "its priority is the one that it was stored with"

    async def test_replayed_jobs_are_served_after_what_was_ready_before(self, bench: Bench) -> None:
        await bench.bring(State.FAILED, new_job("a"))
        await bench.enqueue(new_job("b"))
        bench.advance(1)
        await bench.replay("a")
        assert await bench.lease_ids() == ["b", "a"], "it became ready as of its replay"

    async def test_deliveries_count_from_zero_again(self, bench: Bench) -> None:
        await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE)
        (lease,) = await bench.lease(lease_for=LEASE)
        assert lease.deliveries == 1, "a lapsed lease is counted"
        await bench.settle(settlement(lease, State.FAILED))
        await bench.replay("a")
        assert (await bench.get("a")).deliveries == 0, "a poison job that was repaired is not poison at its first crash"
        (lease,) = await bench.lease(lease_for=LEASE)
        assert lease.deliveries == 0, "which its runner reads from the lease"
        bench.advance(LEASE)
        found = await bench.keep_house()
        assert [one.deliveries for one in found.recovered] == [1], "the next crash is the first"

    @pytest.mark.parametrize("state", _OPEN)
    async def test_what_has_not_ended_is_refused(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a"))
        before = await bench.get("a")
        assert await bench.replay("a", memo=b"memo", body=b"edited") == [Acted(state, False)], (
            "a job that waits or runs would run twice"
        )
        assert await bench.get("a") == before, "nothing of it is changed"

    async def test_an_unknown_and_an_expired_job_are_not_replayed(self, bench: Bench) -> None:
        await bench.bring(State.FAILED, new_job("a"), keep_for=HOUR)
        bench.advance(HOUR)
        assert await bench.replay("nobody", "a") == [Acted(None, False)] * 2, "what is not seen cannot be replayed"
        assert await bench.lease_ids() == [], "and no job is made of it"

    async def test_what_was_seen_has_to_stand_to_be_replayed(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.FAILED))
        seen = Seen(State.FAILED, lease.token)
        assert await bench.replay("a", seen=Seen(State.FAILED, lease.token + 1)) == [Acted(State.FAILED, False)], (
            "another token: it is another failure than the one that was looked at"
        )
        assert await bench.replay("a", seen=Seen(State.CANCELLED, lease.token)) == [Acted(State.FAILED, False)], (
            "another state: it ended in another way"
        )
        assert await bench.replay("a", seen=seen) == [Acted(State.FAILED, True)], "as it was seen, so it stands"

    async def test_two_operators_replay_one_failure_once(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.FAILED))
        seen = Seen(State.FAILED, lease.token)
        assert (await bench.replay("a", seen=seen, memo=b"by one"))[0].done, "the first one has it replayed"
        (lease,) = await bench.lease()
        await bench.settle(settlement(lease, State.FAILED, memo=b"again"))
        assert await bench.replay("a", seen=seen, memo=b"by two") == [Acted(State.FAILED, False)], (
            "the second one looked at a failure that is over"
        )
        assert (await bench.get("a")).memo == b"again", "what came of it meanwhile stands"

    @pytest.mark.parametrize("delay", [0, HOUR])
    async def test_a_repeated_replay_has_the_effect_of_one(self, bench: Bench, delay: int) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.FAILED))
        seen = Seen(State.FAILED, lease.token)
        await bench.replay("a", memo=b"mine", seen=seen, delay=delay)
        before = await bench.get("a")
        bench.advance(1)
        assert [one.done for one in await bench.replay("a", memo=b"mine", seen=seen, delay=delay)] == [True], (
            "whoever lost the reply hears that it is done"
        )
        assert await bench.get("a") == before, "and nothing moves a second time"
        assert [one.done for one in await bench.replay("a", memo=b"another's", seen=seen)] == [False], (
            "who is not the one that replayed it is refused"
        )
        bench.advance(HOUR)
        assert await bench.lease_ids() == ["a"], "it runs once"

    async def test_a_replayed_job_is_counted_where_it_is(self, bench: Bench) -> None:
        await bench.bring(State.FAILED, new_job("a"), new_job("b"))
        await bench.replay("a")
        await bench.replay("b", delay=HOUR)
        view = (await bench.overview("mail")).queues["mail"]
        assert (view.failed, view.queued, view.scheduled) == (0, 1, 1), "a job is counted in one state"

    async def test_a_replayed_job_outlives_its_expiry(self, bench: Bench) -> None:
        await bench.bring(State.FAILED, new_job("a"), keep_for=HOUR)
        await bench.replay("a", delay=DAY)
        bench.advance(2 * HOUR)
        await bench.keep_house()
        assert (await bench.get("a")).state is State.SCHEDULED, "what it was to be kept for is over with its end"

    async def test_a_job_asked_to_stop_before_its_end_is_not_asked_again(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.cancel("a")
        await bench.settle(settlement(lease, State.CANCELLED))
        await bench.replay("a")
        (lease,) = await bench.lease()
        (renewal,) = await bench.renew(lease)
        assert renewal.value == "renewed", "the request to cancel ended with the job that it was made to"

    async def test_a_replayed_job_can_be_cancelled_and_replayed_again(self, bench: Bench) -> None:
        await bench.bring(State.FAILED, new_job("a"))
        await bench.replay("a")
        assert await bench.cancel("a") == [Acted(State.QUEUED, True)], "it waits as any other"
        assert await bench.lease_ids() == [], "and does not run"
        assert await bench.replay("a") == [Acted(State.CANCELLED, True)], "and once more"
        assert await bench.lease_ids() == ["a"], "it runs"

    async def test_deeds_of_several_kinds_are_done_in_order(self, bench: Bench) -> None:
        await bench.bring(State.FAILED, *new_jobs(3))
        await bench.replay("job-0000")
        await bench.cancel("job-0000", keep_for=0)
        await bench.replay("job-0001")
        answers = [*await bench.replay("job-0002"), *await bench.replay("job-0000", "job-0001")]
        assert answers == [Acted(State.FAILED, True), Acted(None, False), Acted(State.QUEUED, False)], (
            "each answer belongs to the deed at its place, and one deed sees what the one before it did"
        )

    async def test_many_jobs_are_replayed_each(self, bench: Bench) -> None:
        jobs = new_jobs(1_200)
        await bench.bring(State.FAILED, *jobs)
        assert await bench.replay(*(job.id for job in jobs), memo=b"m") == [Acted(State.FAILED, True)] * 1_200, (
            "a batch may be large"
        )
        assert len(await bench.lease(2_000)) == 1_200, "and all of it runs"

    async def test_the_listing_of_what_failed_is_short_of_what_was_replayed(self, bench: Bench) -> None:
        jobs = new_jobs(5)
        await bench.bring(State.FAILED, *jobs)
        first = await bench.driver.list_jobs(State.FAILED, limit=2, now=bench.clock)
        await bench.replay(*(job.id for job in first.items))
        rest = await bench.driver.list_jobs(State.FAILED, limit=10, cursor=first.cursor, now=bench.clock)
        met = [job.id for job in (*first.items, *rest.items)]
        assert sorted(met) == [job.id for job in jobs], "who replays page by page meets each failure once"

    async def test_a_replay_wakes_a_runner(self, live: Bench) -> None:
        await live.bring(State.FAILED, new_job("a"))
        async with background(live.work(driver=await live.second_driver())) as waiting:
            await live.under_way()
            assert (await live.replay("a"))[0].done, "it was failed"
            found = await promptly(waiting, "a replay wakes an idle runner, as an enqueue does")
        assert [lease.id for lease in found.leases] == ["a"], "and it takes the job"
