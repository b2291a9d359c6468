"""What `Driver.outcomes` promises to those who wait for jobs. The waits go by the store's own clock."""

from __future__ import annotations

import asyncio

from flowli.driver import Millis, State
from flowli_conformance.bench import HOUR, MINUTE, Bench, background, new_job, new_jobs, promptly, settlement
from flowli_conformance.suite import Suite

__all__ = ["OutcomesSuite"]

_LONG = 10 * MINUTE


class OutcomesSuite(Suite):
    """Whoever waits for a job hears of its end, and of nothing else."""

    async def test_a_terminal_job_is_answered_at_once(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, memo=b"result"))
        found = await bench.outcomes("a")
        assert set(found) == {"a"}, "the outcome is there"
        job = found["a"]
        assert job is not None and (job.id, job.state, job.memo) == ("a", State.COMPLETED, b"result"), "with its result"

    async def test_every_terminal_state_is_an_outcome(self, bench: Bench) -> None:
        for state in (State.COMPLETED, State.FAILED, State.CANCELLED):
            await bench.bring(state, new_job(state))
        found = await bench.outcomes("completed", "failed", "cancelled")
        assert {id: job and job.state for id, job in found.items()} == {
            "completed": State.COMPLETED,
            "failed": State.FAILED,
            "cancelled": State.CANCELLED,
        }, "a waiter hears how its job ended, however that was"

    async def test_what_is_not_terminal_is_left_out(self, bench: Bench) -> None:
        for state in (State.SCHEDULED, State.ACTIVE, State.QUEUED):
            await bench.bring(state, new_job(state))
        assert await bench.outcomes("scheduled", "queued", "active") == {}, "a job that goes on has no outcome"

    async def test_a_missing_job_is_answered_with_none(self, bench: Bench) -> None:
        assert await bench.outcomes("nobody") == {"nobody": None}, "nobody waits for a job that cannot end"

    async def test_a_missing_job_ends_the_wait(self, live: Bench) -> None:
        await live.enqueue(new_job("a"))
        found = await promptly(live.outcomes("a", "nobody", wait=_LONG), "A job without a record never ends.")
        assert found == {"nobody": None}, "None says that there is no record"

    async def test_no_ids_have_no_outcomes(self, bench: Bench) -> None:
        assert await bench.outcomes() == {}, "one answer for each id at most, so none for none"

    async def test_many_ids_are_looked_at_in_one_call(self, bench: Bench) -> None:
        jobs = new_jobs(2_500)
        await bench.bring(State.COMPLETED, *jobs)
        found = await bench.outcomes(*(job.id for job in jobs))
        assert set(found) == {job.id for job in jobs}, "one call serves every waiting handle of a process"

    async def test_an_id_named_twice_is_answered(self, bench: Bench) -> None:
        await bench.bring(State.COMPLETED, new_job("a"))
        assert set(await bench.outcomes("a", "a")) == {"a"}, "two handles of one process may wait for one job"

    async def test_one_outcome_is_enough_to_answer(self, live: Bench) -> None:
        (lease,) = await live.start(new_job("a"))
        await live.settle(settlement(lease))
        await live.enqueue(new_job("b"))
        found = await promptly(live.outcomes("b", "a", wait=_LONG), "If one is terminal there is no wait.")
        assert set(found) == {"a"}, "the one that has ended is answered, the other left out"

    async def test_a_wait_for_outcomes_ends_empty_after_its_time(self, live: Bench) -> None:
        await live.enqueue(new_job("a"))
        assert await promptly(live.outcomes("a", wait=50), "A wait ends after its time.") == {}, "that is no error"

    async def test_a_settlement_wakes_a_waiter(self, live: Bench) -> None:
        (lease,) = await live.start(new_job("a"))
        async with background(live.outcomes("a", wait=_LONG)) as waiting:
            await live.under_way()
            await live.settle(settlement(lease, memo=b"result"))
            job = (await promptly(waiting, "A waiter is woken by the store when its job ends."))["a"]
        assert job is not None and (job.state, job.memo) == (State.COMPLETED, b"result"), "with the result"

    async def test_a_settlement_through_another_driver_wakes_a_waiter(self, live: Bench) -> None:
        (lease,) = await live.start(new_job("a"))
        runner = await live.second_driver()
        async with background(live.outcomes("a", wait=_LONG)) as waiting:
            await live.under_way()
            await runner.exchange([settlement(lease)], None)
            found = await promptly(waiting, "Whoever waits and whoever runs are different processes as a rule.")
        assert set(found) == {"a"}, "the waiter has its outcome"

    async def test_a_settlement_that_keeps_nothing_wakes_a_waiter(self, live: Bench) -> None:
        (lease,) = await live.start(new_job("a"))
        async with background(live.outcomes("a", wait=_LONG)) as waiting:
            await live.under_way()
            await live.settle(settlement(lease, keep_for=0))
            found = await promptly(waiting, "A waiter must not wait for ever for a job that kept nothing.")
        assert found == {"a": None}, "None says that there is no record any more"

    async def test_a_cancellation_wakes_a_waiter(self, live: Bench) -> None:
        await live.enqueue(new_job("a", delay=HOUR))
        async with background(live.outcomes("a", wait=_LONG)) as waiting:
            await live.under_way()
            await live.cancel("a")
            job = (await promptly(waiting, "A job that becomes terminal by a deed wakes its waiters."))["a"]
        assert job is not None and job.state is State.CANCELLED, "the waiter hears that the job was cancelled"

    async def test_the_first_of_many_wakes_a_waiter(self, live: Bench) -> None:
        leases = await live.start(*new_jobs(50))
        async with background(live.outcomes(*(lease.id for lease in leases), wait=_LONG)) as waiting:
            await live.under_way()
            await live.settle(settlement(leases[30]))
            found = await promptly(waiting, "One call waits for the first of many.")
        assert set(found) == {leases[30].id}, "and says which one it was"

    async def test_all_waiters_of_a_job_are_woken(self, live: Bench) -> None:
        (lease,) = await live.start(new_job("a"))
        second = await live.second_driver()
        async with (
            background(live.outcomes("a", wait=_LONG)) as one,
            background(live.outcomes("a", wait=_LONG)) as two,
            background(second.outcomes(["a"], wait=Millis(_LONG))) as three,
        ):
            await live.under_way()
            await live.settle(settlement(lease))
            found = await promptly(asyncio.gather(one, two, three), "Every waiter of a job is woken, in every process.")
        assert [set(part) for part in found] == [{"a"}] * 3, "each has the outcome"

    async def test_a_step_that_is_not_the_last_wakes_nobody(self, live: Bench) -> None:
        (lease,) = await live.start(new_job("a"))
        async with background(live.outcomes("a", wait=_LONG)) as waiting:
            await live.under_way()
            await live.settle(settlement(lease, State.QUEUED))
            again = await live.lease_one("a")
            await live.under_way()
            assert not waiting.done(), "a retry is not an outcome"
            await live.settle(settlement(again, State.FAILED))
            job = (await promptly(waiting, "The last step wakes the waiter."))["a"]
        assert job is not None and job.state is State.FAILED, "the waiter hears of the end"

    async def test_outcomes_in_a_row_are_all_heard(self, live: Bench) -> None:
        leases = await live.start(*new_jobs(20))
        runner, waiting_for = await live.second_driver(), {lease.id for lease in leases}
        for lease in leases:
            async with background(live.outcomes(*waiting_for, wait=_LONG)) as waiting:
                await live.under_way()
                await runner.exchange([settlement(lease)], None)
                waiting_for -= set(await promptly(waiting, "No outcome is lost, also not right after another."))
        assert waiting_for == set(), "every outcome was heard"

    async def test_other_verbs_go_on_while_somebody_waits(self, live: Bench) -> None:
        await live.enqueue(new_job("later", delay=HOUR))
        async with background(live.outcomes("later", wait=_LONG)) as waiting:
            await live.under_way()
            leases = await promptly(live.start(new_job("a")), "Any verb may be called while another one waits.")
            await promptly(live.settle(settlement(leases[0])), "Any verb may be called while another one waits.")
            assert not waiting.done(), "and what is none of the waiter's business wakes it not"

    async def test_a_cancelled_wait_leaves_other_waiters_alone(self, live: Bench) -> None:
        (lease,) = await live.start(new_job("a"))
        async with background(live.outcomes("a", wait=_LONG)) as waiting:
            async with background(live.outcomes("a", wait=_LONG)):
                await live.under_way()
            await live.settle(settlement(lease))
            found = await promptly(waiting, "A waiter that gave up must not take the news from the others.")
        assert set(found) == {"a"}, "the one that still waits has its outcome"
