"""What `Driver.enqueue` promises about ids, instants and batches; how turns cover what an id cannot is in `turns`."""

from __future__ import annotations

import pytest

from flowli.driver import Disposition, Enqueued, Millis, Settled, State
from flowli_conformance.bench import HOUR, MINUTE, Bench, new_job, new_jobs, only, settlement
from flowli_conformance.suite import Suite

__all__ = ["EnqueueSuite"]

CREATED, EXISTING = Disposition.CREATED, Disposition.EXISTING


class EnqueueSuite(Suite):
    """A job is stored once for its id, in the state that its instant asks for."""

    async def test_a_new_job_is_queued_at_once(self, bench: Bench) -> None:
        answers = await bench.enqueue(new_job("a"))
        assert answers == [Enqueued(CREATED, "a", State.QUEUED, bench.now)], (
            "a job without an instant is ready at once, and its caller learns so"
        )

    async def test_a_new_job_is_stored_as_it_was_given(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", queue="news", name="digest", head=b"h", body=b"b", priority=7))
        job = await bench.get("a")
        assert (job.id, job.queue, job.name, job.head, job.body, job.priority) == (
            "a",
            "news",
            "digest",
            b"h",
            b"b",
            7,
        ), "what was enqueued is what is read: a changed field runs another job than the caller asked for"
        assert (job.state, job.due, job.token, job.deliveries, job.memo) == (State.QUEUED, bench.now, 0, 0, b""), (
            "a job that never ran has no token, no deliveries and no memo, and is ready since it was enqueued"
        )

    async def test_an_empty_batch_stores_nothing(self, bench: Bench) -> None:
        assert await bench.enqueue() == [], "one answer for each job, so none for none"
        assert (await bench.overview()).queues == {}, "a batch of nothing makes no queue known"

    async def test_an_empty_batch_with_a_turn_stores_nothing(self, bench: Bench) -> None:
        assert await bench.enqueue(turn=bench.turn()) == [], "one answer for each job, so none for none"

    async def test_a_large_batch_is_stored_whole_and_answered_in_order(self, bench: Bench) -> None:
        jobs = new_jobs(2_500)
        answers = await bench.enqueue(*jobs)
        assert [answer.id for answer in answers] == [job.id for job in jobs], "answers come in the order of the batch"
        assert {answer.disposition for answer in answers} == {CREATED}, "every job of a large batch is created"
        assert (await bench.overview("mail")).queues["mail"].queued == 2_500, (
            "a batch that was cut is still stored whole"
        )

    async def test_a_known_id_is_existing_and_replaces_nothing(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", body=b"first"))
        before = await bench.get("a")
        bench.advance(MINUTE)
        (answer,) = await bench.enqueue(new_job("a", name="other", head=b"other", body=b"second", priority=9))
        assert answer.disposition is EXISTING, "the same id again is the same job: a repeated request runs once"
        assert await bench.get("a") == before, "the job that stands is untouched by a request for the same id"

    async def test_a_known_id_makes_no_second_place_in_the_queue(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        await bench.enqueue(new_job("a"))
        assert await bench.lease_ids() == ["a"], "a repeated request is executed once"
        assert await bench.lease_ids() == [], "a repeated request is executed once"

    async def test_an_id_is_known_whatever_its_queue(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", queue="mail"))
        (answer,) = await bench.enqueue(new_job("a", queue="news"))
        assert answer.disposition is EXISTING, (
            "ids belong to the namespace: the queue of a job may change between two calls"
        )
        assert await bench.lease_ids(queues=["news"]) == [], "the job stays in the queue where it stands"
        assert await bench.lease_ids(queues=["mail"]) == ["a"], "the job stays in the queue where it stands"

    async def test_an_id_twice_in_one_batch_is_one_job(self, bench: Bench) -> None:
        answers = await bench.enqueue(new_job("a", body=b"first"), new_job("b"), new_job("a", body=b"second"))
        assert [answer.disposition for answer in answers] == [CREATED, CREATED, EXISTING], (
            "the second job of a batch with the same id finds the first"
        )
        assert [(lease.id, lease.body) for lease in await bench.lease()] == [("a", b"first"), ("b", b"body")], (
            "an id twice in a batch is executed once"
        )

    async def test_new_and_known_ids_of_a_batch_are_answered_in_order(self, bench: Bench) -> None:
        await bench.enqueue(new_job("known"))
        answers = await bench.enqueue(new_job("a"), new_job("known"), new_job("b", queue="news", delay=HOUR))
        assert [(answer.id, answer.disposition, answer.state) for answer in answers] == [
            ("a", CREATED, State.QUEUED),
            ("known", EXISTING, State.QUEUED),
            ("b", CREATED, State.SCHEDULED),
        ], "each answer belongs to the job at its place in the batch"

    async def test_an_existing_queued_job_says_since_when_it_is_ready(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        ready_at = bench.now
        bench.advance(MINUTE)
        assert await bench.enqueue(new_job("a", delay=HOUR)) == [Enqueued(EXISTING, "a", State.QUEUED, ready_at)], (
            "state and instant are those of the job that stands, not of the request"
        )

    async def test_an_existing_scheduled_job_says_when_it_is_due(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", delay=HOUR))
        due = bench.at(HOUR)
        bench.advance(MINUTE)
        assert await bench.enqueue(new_job("a")) == [Enqueued(EXISTING, "a", State.SCHEDULED, due)], (
            "state and instant are those of the job that stands, not of the request"
        )

    async def test_an_existing_running_job_says_that_it_runs(self, bench: Bench) -> None:
        await bench.bring(State.ACTIVE, new_job("a"))
        assert await bench.enqueue(new_job("a")) == [Enqueued(EXISTING, "a", State.ACTIVE, Millis(0))], (
            "a job that has started is not started again for a repeated request"
        )

    @pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
    async def test_a_terminal_job_is_existing_while_its_record_is_kept(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a"), keep_for=HOUR)
        bench.advance(HOUR - 1)
        assert await bench.enqueue(new_job("a")) == [Enqueued(EXISTING, "a", state, Millis(0))], (
            "a request repeated within the retention does not run the job again"
        )

    @pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
    async def test_the_id_of_an_expired_record_is_free(self, bench: Bench, state: State) -> None:
        await bench.bring(state, new_job("a"), keep_for=HOUR)
        bench.advance(HOUR)
        (answer,) = await bench.enqueue(new_job("a", body=b"second"))
        assert answer == Enqueued(CREATED, "a", State.QUEUED, bench.now), "what has expired is not seen, swept or not"
        lease = only(await bench.lease(), "the new job under the id of an expired one is executed")
        assert (lease.id, lease.body, lease.memo, lease.deliveries) == ("a", b"second", b"", 0), (
            "a new job under a used id inherits nothing: not the memo, not the deliveries"
        )

    async def test_the_id_of_a_job_that_kept_nothing_is_free(self, bench: Bench) -> None:
        await bench.bring(State.COMPLETED, new_job("a"), keep_for=0)
        (answer,) = await bench.enqueue(new_job("a"))
        assert answer.disposition is CREATED, "a later call with the id of a job that kept nothing makes a new one"
        assert await bench.lease_ids() == ["a"], "the new job is executed"

    async def test_a_token_of_an_earlier_job_is_worthless_for_a_new_one_under_its_id(self, bench: Bench) -> None:
        (old,) = await bench.start(new_job("a"))
        await bench.settle(settlement(old, keep_for=0))
        (new,) = await bench.start(new_job("a"))
        assert new.token > old.token, "tokens grow also where an id is used again"
        before = await bench.get("a")
        assert await bench.settle(settlement(old, State.FAILED)) == [Settled.LOST], (
            "a stale runner of an earlier job must not settle the new one"
        )
        assert await bench.get("a") == before, "a refused settlement changes nothing"

    async def test_a_later_instant_makes_a_scheduled_job(self, bench: Bench) -> None:
        assert await bench.enqueue(new_job("a", due=bench.at(1))) == [
            Enqueued(CREATED, "a", State.SCHEDULED, bench.at(1))
        ], "a job whose instant is after now waits for it"
        job = await bench.get("a")
        assert (job.state, job.due) == (State.SCHEDULED, bench.at(1)), "the record says when the job is due"

    async def test_a_delay_counts_from_the_instant_of_the_call(self, bench: Bench) -> None:
        bench.advance(MINUTE)
        assert await bench.enqueue(new_job("a", delay=1_500)) == [
            Enqueued(CREATED, "a", State.SCHEDULED, bench.at(1_500))
        ], "a delay counts from the store's clock, so that the caller's own does not matter"

    async def test_a_delay_of_nothing_is_at_once(self, bench: Bench) -> None:
        assert await bench.enqueue(new_job("a", delay=0)) == [Enqueued(CREATED, "a", State.QUEUED, bench.now)], (
            "a job whose instant is not after now is queued"
        )

    async def test_a_negative_delay_is_none(self, bench: Bench) -> None:
        assert await bench.enqueue(new_job("a", delay=-HOUR)) == [Enqueued(CREATED, "a", State.QUEUED, bench.now)], (
            "a delay counts forwards: one that is negative would put its job before all that came earlier"
        )

    async def test_an_instant_wins_over_a_delay(self, bench: Bench) -> None:
        assert await bench.enqueue(new_job("a", due=bench.at(HOUR), delay=MINUTE)) == [
            Enqueued(CREATED, "a", State.SCHEDULED, bench.at(HOUR))
        ], "a job that names both waits for its instant"

    async def test_a_job_that_is_due_now_is_queued(self, bench: Bench) -> None:
        assert await bench.enqueue(new_job("a", due=bench.now)) == [Enqueued(CREATED, "a", State.QUEUED, bench.now)], (
            "due at now is due"
        )

    async def test_a_job_that_was_due_before_now_is_queued(self, bench: Bench) -> None:
        (answer,) = await bench.enqueue(new_job("a", due=bench.at(-HOUR)))
        assert (answer.disposition, answer.state) == (CREATED, State.QUEUED), (
            "a job whose instant is not after now is queued"
        )
        assert answer.due in (bench.now, bench.at(-HOUR)), (
            "an instant that has passed counts as now or as itself: its caller sees no third one"
        )
        assert (await bench.get("a")).due == answer.due, "and the record says the same as the answer"
        lease = only(await bench.lease(), "work that is overdue when it is enqueued is executed at once")
        assert (lease.id, lease.ready_at) == ("a", answer.due), "and it is ready since then"

    async def test_a_large_batch_of_known_ids_makes_no_second_jobs(self, bench: Bench) -> None:
        jobs = new_jobs(2_500)
        await bench.enqueue(*jobs)
        answers = await bench.enqueue(*reversed(jobs))
        assert {answer.disposition for answer in answers} == {EXISTING}, "a repeated batch has the effect of one"
        assert (await bench.overview("mail")).queues["mail"].queued == 2_500, "a repeated batch has the effect of one"
