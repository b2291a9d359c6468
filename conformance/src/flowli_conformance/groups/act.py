"""What `Driver.act` promises: an operator's deed to jobs that he knows by id alone."""

from __future__ import annotations

import pytest

from flowli.driver import Acted, Settled, State
from flowli_conformance.bench import HOUR, LEASE, MINUTE, Bench, new_job, new_jobs, settlement
from flowli_conformance.suite import Suite

__all__ = ["ActSuite"]

_TERMINAL = [State.COMPLETED, State.FAILED, State.CANCELLED]
_WAITING = [State.SCHEDULED, State.QUEUED]


class ActSuite(Suite):
    """What waits is cancelled, what runs is asked, what has ended stands."""

    @pytest.mark.parametrize("state", _WAITING)
    async def test_what_waits_becomes_cancelled(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a"))
        assert await bench.cancel("a", memo=b"why", keep_for=HOUR) == [Acted(state, True)], (
            "and it is said what was met"
        )
        job = await bench.get("a")
        assert (job.state, job.due, job.memo, job.body) == (State.CANCELLED, bench.at(HOUR), b"why", b"body"), (
            "a cancelled job is kept for keep_for, with the memo of the deed"
        )

    @pytest.mark.parametrize("state", _WAITING)
    async def test_a_cancelled_job_never_runs(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a"))
        await bench.cancel("a")
        bench.advance(2 * HOUR)
        await bench.enqueue(new_job("b"))
        assert await bench.lease_ids() == ["b"], "a job that was cancelled in time is not executed, and blocks no other"

    @pytest.mark.parametrize("state", _WAITING)
    async def test_a_cancelled_job_with_nothing_to_keep_leaves_nothing(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a"))
        assert await bench.cancel("a", keep_for=0) == [Acted(state, True)], "what waits is cancelled at once"
        view = (await bench.overview("mail")).queues["mail"]
        assert await bench.find("a") is None, "keep_for of 0 leaves no record"
        assert (view.scheduled, view.queued, view.cancelled) == (0, 0, 0), "and is counted nowhere"

    @pytest.mark.parametrize("state", _WAITING)
    async def test_a_cancelled_job_is_counted_as_cancelled(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a"))
        await bench.cancel("a")
        view = (await bench.overview("mail")).queues["mail"]
        assert (view.scheduled, view.queued, view.cancelled) == (0, 0, 1), "a job is counted in one state"

    async def test_a_cancelled_record_expires(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        await bench.cancel("a", keep_for=HOUR)
        bench.advance(HOUR)
        assert await bench.find("a") is None, "nothing stays for ever"

    async def test_what_runs_is_asked_and_goes_on(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        before = await bench.get("a")
        assert await bench.cancel("a", memo=b"why") == [Acted(State.ACTIVE, False)], (
            "a request is not a cancellation yet"
        )
        assert await bench.get("a") == before, "its runner holds the job until it has settled, its memo included"
        assert await bench.settle(settlement(lease, State.CANCELLED, memo=b"stopped")) == [Settled.WRITTEN], (
            "the runner that holds the job says how it ended"
        )
        assert (await bench.get("a")).memo == b"stopped", "and decides what is left"

    @pytest.mark.parametrize("state", _TERMINAL)
    async def test_what_has_ended_stands(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a"), keep_for=HOUR)
        before = await bench.get("a")
        assert await bench.cancel("a", memo=b"too late", keep_for=0) == [Acted(state, False)], "it was too late"
        assert await bench.get("a") == before, "neither memo nor expiry of a terminal job changes"

    async def test_an_unknown_job_is_not_found(self, bench: Bench) -> None:
        assert await bench.cancel("nobody") == [Acted(None, False)], "an id without a record is an answer, no error"
        assert await bench.find("nobody") is None, "and no record is made of it"

    async def test_an_expired_job_is_not_found(self, bench: Bench) -> None:
        await bench.bring(State.COMPLETED, new_job("a"), keep_for=HOUR)
        bench.advance(HOUR)
        assert await bench.cancel("a") == [Acted(None, False)], "what has expired is not seen, swept or not"

    async def test_without_a_memo_the_last_one_stays(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.SCHEDULED, memo=b"one failure", delay=HOUR))
        await bench.cancel("a", memo=None)
        assert (await bench.get("a")).memo == b"one failure", "the history of a cancelled job stays readable"

    async def test_an_empty_memo_replaces_the_last_one(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.SCHEDULED, memo=b"one failure", delay=HOUR))
        await bench.cancel("a", memo=b"")
        assert (await bench.get("a")).memo == b"", "empty is a memo; only None leaves it as it is"

    async def test_a_job_handed_back_can_be_cancelled(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.QUEUED))
        assert await bench.cancel("a") == [Acted(State.QUEUED, True)], "handed back is queued"
        assert await bench.lease_ids() == [], "and cancelled it does not run"

    async def test_a_job_that_is_due_can_be_cancelled(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", delay=MINUTE))
        bench.advance(MINUTE)
        (acted,) = await bench.cancel("a")
        assert acted.done and acted.found in _WAITING, "a job that is due but has not started can still be cancelled"
        assert await bench.lease_ids() == [], "and does not start"

    async def test_a_job_with_a_priority_can_be_cancelled(self, bench: Bench) -> None:
        await bench.enqueue(new_job("urgent", priority=9), new_job("plain"))
        assert await bench.cancel("urgent") == [Acted(State.QUEUED, True)], "an id alone finds its job"
        assert await bench.lease_ids() == ["plain"], "whatever its priority, a cancelled job does not run"

    async def test_a_job_that_lapsed_is_still_asked(self, bench: Bench) -> None:
        await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE)
        assert await bench.cancel("a") == [Acted(State.ACTIVE, False)], "a lapsed lease may still be renewed or settled"

    async def test_deeds_are_answered_in_order(self, bench: Bench) -> None:
        await bench.bring(State.ACTIVE, new_job("runs"))
        await bench.enqueue(new_job("ready"), new_job("later", queue="other", delay=HOUR))
        assert await bench.cancel("later", "nobody", "runs", "ready", "later") == [
            Acted(State.SCHEDULED, True),
            Acted(None, False),
            Acted(State.ACTIVE, False),
            Acted(State.QUEUED, True),
            Acted(State.CANCELLED, False),
        ], "each answer belongs to the deed at its place, and one deed sees what the one before it did"

    async def test_no_deeds_have_no_answers(self, bench: Bench) -> None:
        assert await bench.cancel() == [], "one answer for each deed, so none for none"

    async def test_many_jobs_are_cancelled_each(self, bench: Bench) -> None:
        jobs = new_jobs(2_500)
        await bench.enqueue(*jobs)
        assert await bench.cancel(*(job.id for job in jobs)) == [Acted(State.QUEUED, True)] * 2_500, (
            "a batch may be large"
        )
        assert await bench.lease_ids() == [], "and none of it runs"

    async def test_many_cancelled_jobs_do_not_hide_those_behind_them(self, bench: Bench) -> None:
        jobs = new_jobs(1_500)
        await bench.enqueue(*jobs, new_job("behind"))
        await bench.cancel(*(job.id for job in jobs), keep_for=0)
        found = await bench.exchange(bench.claim(1))
        while not found.leases and found.more:
            found = await bench.exchange(bench.claim(1))
        assert [lease.id for lease in found.leases] == ["behind"], "as long as `more` is said, something is to be had"

    async def test_the_id_of_a_cancelled_job_is_known_while_it_is_kept(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        await bench.cancel("a", keep_for=HOUR)
        (answer,) = await bench.enqueue(new_job("a"))
        assert answer.state is State.CANCELLED, "a request repeated after a cancellation does not bring the job back"
        assert await bench.lease_ids() == [], "and nothing runs"

    @pytest.mark.parametrize(("queue", "priority"), [("mail", 0), ("mail", 5), ("other", 0)])
    async def test_a_cancelled_id_that_returns_runs_once(self, bench: Bench, queue: str, priority: int) -> None:
        await bench.enqueue(new_job("a", body=b"first"))
        await bench.cancel("a", keep_for=0)
        await bench.enqueue(new_job("a", queue=queue, priority=priority, body=b"second"), new_job("b"))
        leases = await bench.lease(queues=["mail", "other"])
        assert sorted((lease.id, lease.queue, lease.body) for lease in leases) == [
            ("a", queue, b"second"),
            ("b", "mail", b"body"),
        ], "nothing of the cancelled job stands in the way of a new one under its id, nor is anything run twice"

    async def test_an_id_cancelled_and_enqueued_many_times_runs_once(self, bench: Bench) -> None:
        for index in range(10):
            await bench.enqueue(new_job("a", queue=f"queue-{index % 2}"))
            await bench.cancel("a", keep_for=0)
        await bench.enqueue(new_job("a", queue="queue-0"))
        view = (await bench.overview("queue-0", "queue-1")).queues
        assert (view["queue-0"].queued, view["queue-1"].queued) == (1, 0), "places that were given up are not counted"
        assert await bench.lease_ids(queues=["queue-0", "queue-1"]) == ["a"], "places that were given up are not served"

    async def test_a_cancelled_head_of_a_queue_leaves_the_next_one_ready(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        bench.advance(MINUTE)
        await bench.enqueue(new_job("b"))
        ready_at = bench.now
        await bench.cancel("a")
        view = (await bench.overview("mail")).queues["mail"]
        assert (view.queued, view.oldest_ready) == (1, ready_at), "the age of a queue is that of what waits in it"
