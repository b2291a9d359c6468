"""In which order jobs are served: within a queue, over named queues, and over all of them."""

from __future__ import annotations

from flowli.driver import State
from flowli_conformance.bench import HOUR, LEASE, MINUTE, SECOND, Bench, new_job, new_jobs, settlement
from flowli_conformance.suite import Suite

__all__ = ["OrderSuite"]


class OrderSuite(Suite):
    """Priority first, then the instant of becoming ready; what was handed back before its equals."""

    async def test_jobs_of_one_batch_are_served_as_they_came(self, bench: Bench) -> None:
        await bench.enqueue(*(new_job(id) for id in ("m", "z", "a", "k", "b")))
        assert await bench.lease_ids() == ["m", "z", "a", "k", "b"], "first come, first served, whatever the ids are"

    async def test_jobs_of_several_calls_are_served_as_they_became_ready(self, bench: Bench) -> None:
        for id in ("m", "z", "a"):
            await bench.enqueue(new_job(id))
            bench.advance(1)
        assert await bench.lease_ids() == ["m", "z", "a"], "what became ready earlier is served earlier"

    async def test_a_higher_priority_is_served_first(self, bench: Bench) -> None:
        for id, priority in (("low", 0), ("top", 9), ("mid", 5), ("one", 1)):
            await bench.enqueue(new_job(id, priority=priority))
            bench.advance(MINUTE)
        assert await bench.lease_ids() == ["top", "mid", "one", "low"], "an urgent job passes everything less urgent"

    async def test_equal_priorities_are_served_as_they_became_ready(self, bench: Bench) -> None:
        for id in ("m", "z", "a"):
            await bench.enqueue(new_job(id, priority=5))
            bench.advance(1)
        assert await bench.lease_ids() == ["m", "z", "a"], (
            "within a priority, what became ready earlier is served earlier"
        )

    async def test_the_order_holds_from_claim_to_claim(self, bench: Bench) -> None:
        jobs = [new_job(f"job-{index}", priority=index % 3) for index in range(60)]
        for job in jobs:
            await bench.enqueue(job)
            bench.advance(1)
        served = [id for _ in range(12) for id in await bench.lease_ids(5)]
        assert served == [job.id for job in sorted(jobs, key=lambda job: -job.priority)], (
            "many small claims serve in the order of one large claim"
        )

    async def test_a_scheduled_job_is_ready_since_it_was_due(self, bench: Bench) -> None:
        await bench.enqueue(new_job("due-first", delay=10 * SECOND))
        bench.advance(20 * SECOND)
        await bench.enqueue(new_job("came-later"))
        bench.advance(SECOND)
        assert await bench.lease_ids() == ["due-first", "came-later"], (
            "a job that was due before another came is served before it, even if nobody looked meanwhile"
        )

    async def test_scheduled_jobs_are_served_in_the_order_of_their_instants(self, bench: Bench) -> None:
        await bench.enqueue(*(new_job(id, delay=delay) for id, delay in (("c", 3_000), ("a", 1_000), ("b", 2_000))))
        bench.advance(MINUTE)
        assert await bench.lease_ids() == ["a", "b", "c"], "what was due earlier is served earlier"

    async def test_priority_counts_among_scheduled_jobs_that_are_due(self, bench: Bench) -> None:
        await bench.enqueue(new_job("low", delay=1_000), new_job("top", delay=2_000, priority=9))
        bench.advance(MINUTE)
        assert await bench.lease_ids() == ["top", "low"], "priority goes before the instant, for scheduled jobs too"

    async def test_a_job_handed_back_is_served_before_its_equals(self, bench: Bench) -> None:
        await bench.enqueue(new_job("back"), new_job("waiting"))
        lease = await bench.lease_one("back")
        bench.advance(LEASE // 2)
        await bench.settle(settlement(lease, State.QUEUED))
        assert await bench.lease_ids() == ["back", "waiting"], (
            "a job interrupted by a shutdown goes on first, so that a deploy delays it least"
        )

    async def test_a_job_handed_back_does_not_pass_a_higher_priority(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("back"))
        await bench.enqueue(new_job("urgent", priority=1))
        await bench.settle(settlement(lease, State.QUEUED))
        assert await bench.lease_ids() == ["urgent", "back"], "the front is that of the job's own priority"

    async def test_a_job_whose_lease_lapsed_is_served_before_its_equals(self, bench: Bench) -> None:
        await bench.enqueue(new_job("lapsed"), new_job("waiting"))
        await bench.lease_one("lapsed")
        bench.advance(LEASE)
        assert await bench.lease_ids() == ["lapsed", "waiting"], "a job whose runner died goes on before its equals"

    async def test_a_priority_survives_a_retry(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("urgent", priority=9))
        await bench.enqueue(new_job("plain"))
        await bench.settle(settlement(lease, State.SCHEDULED, delay=MINUTE))
        bench.advance(MINUTE)
        assert await bench.lease_ids() == ["urgent", "plain"], "a retry has the priority that the job was given"

    async def test_named_queues_are_served_strictly_in_their_order(self, bench: Bench) -> None:
        await bench.enqueue(new_job("b-top", queue="b", priority=9))
        bench.advance(MINUTE)
        await bench.enqueue(new_job("a-1", queue="a"), new_job("a-2", queue="a"))
        assert await bench.lease_ids(2, queues=["a", "b"]) == ["a-1", "a-2"], (
            "the first queue is emptied before the second is served, whatever waits there"
        )
        assert await bench.lease_ids(2, queues=["a", "b"]) == ["b-top"], "then the second is served"

    async def test_one_claim_is_filled_from_several_queues(self, bench: Bench) -> None:
        await bench.enqueue(new_job("c", queue="c"), new_job("a", queue="a"), new_job("b", queue="b"))
        assert await bench.lease_ids(2, queues=["b", "a", "c"]) == ["b", "a"], "the order is that of the claim"

    async def test_a_queue_that_is_not_named_is_not_served(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", queue="other"))
        assert await bench.lease_ids(queues=["mail"]) == [], "a runner serves the queues it was given and no others"

    async def test_an_unknown_queue_among_the_named_is_harmless(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        assert await bench.lease_ids(queues=["nobody", "mail"]) == ["a"], "a queue is known when its first job comes"

    async def test_a_claim_without_names_serves_every_queue(self, bench: Bench) -> None:
        await bench.enqueue(*(new_job(f"job-{queue}", queue=queue) for queue in ("a", "b", "c")))
        assert sorted(await bench.lease_ids(queues=None)) == ["job-a", "job-b", "job-c"], "without names all are served"

    async def test_a_claim_without_names_finds_a_new_queue(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", queue="old"))
        assert await bench.lease_ids(queues=None) == ["a"], "without names all are served"
        await bench.enqueue(new_job("b", queue="new"))
        assert await bench.lease_ids(queues=None) == ["b"], "a new queue is found at the next claim"

    async def test_no_queue_waits_for_ever_behind_a_full_one(self, bench: Bench) -> None:
        await bench.enqueue(
            new_job("first", queue="a"), *new_jobs(80, prefix="big", queue="m"), new_job("last", queue="z")
        )
        served = [id for _ in range(40) for id in await bench.lease_ids(1, queues=None)]
        assert {"first", "last"} <= set(served), (
            "all queues are served in turn: a backlog in one must not stop the others, however its name sorts"
        )

    async def test_a_scheduled_job_in_a_queue_served_without_a_name_is_found(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", queue="quiet", delay=HOUR))
        bench.advance(HOUR)
        assert await bench.lease_ids(queues=None) == ["a"], "a queue that holds only scheduled jobs is known"
