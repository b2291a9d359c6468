"""What wakes a claim that waits. These tests go by the store's own clock; each wait is far longer than its deadline."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from flowli.driver import Change, Millis, State, StoredSchedule
from flowli_conformance.bench import HOUR, MINUTE, Bench, background, new_job, promptly, settlement
from flowli_conformance.suite import Suite

__all__ = ["WaitSuite"]

_LONG = 10 * MINUTE
_EARLY_ENDS = 30
"""How many waits of 300 ms may fill 300 ms: one is usual, hundreds are a runner that polls."""


class WaitSuite(Suite):
    """A claim with nothing to lease sleeps until an enqueue wakes it, or its time has passed."""

    async def test_a_wait_ends_empty_after_its_time(self, live: Bench) -> None:
        found = await promptly(live.exchange(live.claim(wait=50)), "A wait ends after its time.")
        assert list(found.leases) == [], "a wait that nothing ended is an empty answer, no error"

    async def test_an_idle_claim_sleeps(self, live: Bench) -> None:
        began = now = (await live.exchange(live.claim())).now
        ends = 0
        while now < began + 300 and ends <= _EARLY_ENDS:
            now = (await promptly(live.exchange(live.claim(wait=300)), "A wait ends after its time.")).now
            ends += 1
        assert ends <= _EARLY_ENDS, (
            "a wait may end early, but not again and again: an idle runner would keep the store and a core busy"
        )

    async def test_a_claim_that_finds_a_job_does_not_wait(self, live: Bench) -> None:
        await live.enqueue(new_job("a"))
        found = await promptly(live.exchange(live.claim(10, wait=_LONG)), "Only a claim with nothing to lease waits.")
        assert [lease.id for lease in found.leases] == ["a"], "less than the limit is enough to go on with"

    async def test_an_enqueue_wakes_a_waiting_claim(self, live: Bench) -> None:
        async with background(live.work()) as waiting:
            await live.under_way()
            await live.enqueue(new_job("a"))
            found = await promptly(waiting, "An enqueue wakes an idle runner: latency does not depend on polling.")
        assert [lease.id for lease in found.leases] == ["a"], "the claim that was woken leases the job"

    async def test_an_enqueue_through_another_driver_wakes_a_waiting_claim(self, live: Bench) -> None:
        producer = await live.second_driver()
        async with background(live.work()) as waiting:
            await live.under_way()
            await producer.enqueue([new_job("a")])
            found = await promptly(waiting, "Producer and runner are different processes as a rule.")
        assert [lease.id for lease in found.leases] == ["a"], "the claim that was woken leases the job"

    async def test_wake_ups_in_a_row_are_all_heard(self, live: Bench) -> None:
        producer, served = await live.second_driver(), list[str]()
        for index in range(20):
            async with background(live.work()) as waiting:
                await live.under_way()
                await producer.enqueue([new_job(f"job-{index}")])
                found = await promptly(waiting, "No wake-up is lost, also not right after another.")
            served += [lease.id for lease in found.leases]
        assert served == [f"job-{index}" for index in range(20)], "each wake-up brings its job"

    async def test_a_job_for_any_of_the_queues_wakes(self, live: Bench) -> None:
        async with background(live.work(queues=["a", "b", "c"])) as waiting:
            await live.under_way()
            await live.enqueue(new_job("job", queue="c"))
            found = await promptly(waiting, "A claim waits for all of its queues.")
        assert [lease.id for lease in found.leases] == ["job"], "the claim that was woken leases the job"

    async def test_a_claim_of_all_queues_is_woken_by_one_it_knows(self, live: Bench) -> None:
        await live.enqueue(new_job("later", queue="known", delay=HOUR))
        async with background(live.work(queues=None)) as waiting:
            await live.under_way()
            await live.enqueue(new_job("a", queue="known"))
            found = await promptly(waiting, "A claim of all queues waits for all that the store knows.")
        assert [lease.id for lease in found.leases] == ["a"], "the claim that was woken leases the job"

    async def test_a_hand_back_wakes_a_waiting_claim(self, live: Bench) -> None:
        (lease,) = await live.start(new_job("a"), lease_for=HOUR)
        other = await live.second_driver()
        async with background(live.work(driver=other, runner="other")) as waiting:
            await live.under_way()
            await live.settle(settlement(lease, State.QUEUED))
            found = await promptly(waiting, "A job that is handed back by a runner that stops goes on at another one.")
        assert [lease.id for lease in found.leases] == ["a"], "the claim that was woken leases the job"

    async def test_a_job_of_a_schedule_wakes_a_waiting_claim(self, live: Bench) -> None:
        other = await live.second_driver()
        schedule = StoredSchedule(key="daily", version=0, next_run_at=None, body=b"")
        change = Change(key="daily", expected=0, successor=schedule, jobs=[new_job("a")])
        async with background(live.work()) as waiting:
            await live.under_way()
            await other.change_schedules([change])
            found = await promptly(waiting, "A fired job wakes a runner as an enqueued one does: it would start late.")
        assert [lease.id for lease in found.leases] == ["a"], "the claim that was woken leases the job"

    async def test_a_batch_wakes_as_many_runners_as_it_takes(self, live: Bench) -> None:
        second = await live.second_driver()
        async with (
            background(live.work(limit=1, runner="one")) as one,
            background(live.work(driver=second, limit=1, runner="two")) as two,
        ):
            await live.under_way()
            await live.enqueue(new_job("a"), new_job("b"))
            found = await promptly(
                asyncio.gather(one, two), "If one runner takes less than there is, the next is woken."
            )
        assert sorted(lease.id for part in found for lease in part.leases) == ["a", "b"], "each runner has one job"

    async def test_what_a_woken_runner_leaves_wakes_the_next(self, live: Bench) -> None:
        claims = [live.work(limit=2, runner=f"runner-{index}") for index in range(3)]
        async with background(claims[0]) as one, background(claims[1]) as two, background(claims[2]) as three:
            await live.under_way()
            await live.enqueue(*(new_job(f"job-{index}") for index in range(6)))
            found = await promptly(asyncio.gather(one, two, three), "Runners are woken until nothing is left.")
        assert [len(part.leases) for part in found] == [2, 2, 2], "the work is shared out, each runner to its limit"

    async def test_a_job_of_another_queue_leaves_the_wait_alone(self, live: Bench) -> None:
        async with background(live.work(queues=["mail"])) as waiting:
            await live.under_way()
            await live.enqueue(new_job("other", queue="other"))
            await live.enqueue(new_job("mine", queue="mail"))
            found = await promptly(waiting, "The job of its own queue wakes the claim.")
        assert [lease.id for lease in found.leases] == ["mine"], "a claim takes from its own queues only"

    async def test_waiting_until_next_at_finds_a_due_job(self, live: Bench) -> None:
        (answer,) = await live.enqueue(new_job("a", delay=150))
        claim = live.claim()
        found = await live.exchange(claim)
        while not found.leases:
            assert found.next_at is not None, "with a scheduled job, the next instant is known"
            wait = max(1, found.next_at - found.now)
            found = await promptly(live.exchange(live.claim(wait=wait)), "A wait ends after its time.")
        assert [lease.id for lease in found.leases] == ["a"], "due work is found without a wake-up"
        assert found.now >= answer.due, "and never before its instant"

    async def test_settlements_do_not_wait_behind_a_wait(self, live: Bench) -> None:
        (lease,) = await live.start(new_job("a"))
        watcher = await live.second_driver()
        async with background(live.exchange(live.claim(wait=_LONG), settlement(lease))):
            seen = await promptly(
                watcher.outcomes(["a"], wait=Millis(_LONG)),
                "A settlement is written at once, even if the claim beside it waits: a result must not be held up.",
            )
        job = seen["a"]
        assert job is not None and job.state is State.COMPLETED, "the outcome is there while the claim waits"

    async def test_other_verbs_go_on_while_a_claim_waits(self, live: Bench) -> None:
        async with background(live.work(queues=["idle"])) as waiting:
            await live.under_way()
            await promptly(live.enqueue(new_job("a")), "Any verb may be called while another one waits.")
            leases = await promptly(live.lease(), "Any verb may be called while another one waits.")
            await promptly(live.settle(settlement(leases[0])), "Any verb may be called while another one waits.")
            job = await promptly(live.get("a"), "Any verb may be called while another one waits.")
            assert not waiting.done(), "and none of them ends the wait"
        assert job.state is State.COMPLETED, "a whole life of a job fits beside one wait"

    async def test_two_claims_of_one_driver_wait_side_by_side(self, live: Bench) -> None:
        one, two = live.work(queues=["a"], runner="one"), live.work(queues=["b"], runner="two")
        async with background(one) as first, background(two) as second:
            await live.under_way()
            await live.enqueue(new_job("for-b", queue="b"))
            found = await promptly(second, "Two runners may share a driver; each is woken for its own queues.")
            assert [lease.id for lease in found.leases] == ["for-b"], "the second claim leases its job"
            await live.enqueue(new_job("for-a", queue="a"))
            found = await promptly(first, "Two runners may share a driver; each is woken for its own queues.")
        assert [lease.id for lease in found.leases] == ["for-a"], "the first claim leases its job"

    async def test_a_wake_up_does_not_die_with_a_cancelled_wait(self, live: Bench) -> None:
        async with background(live.work(runner="gone")):
            await live.under_way()
        async with background(live.work(runner="here")) as waiting:
            await live.under_way()
            await live.enqueue(new_job("a"))
            found = await promptly(waiting, "A runner that gave up its wait must not take wake-ups from the others.")
        assert [lease.id for lease in found.leases] == ["a"], "the runner that still waits has the job"

    async def test_a_wake_up_does_not_die_with_a_runner_that_was_woken(self, live: Bench) -> None:
        gone = live.claim(1, runner="gone", lease_for=HOUR, wait=_LONG)
        async with background(live.exchange(gone)) as first, background(live.work(limit=1, runner="here")) as second:
            await live.under_way()
            await live.enqueue(new_job("a"))
            first.cancel()
            await asyncio.wait([first])
            taken = list((await live.exchange(replace(gone, limit=0))).leases)
            if not taken:
                found = await promptly(second, "A runner that dies as it is woken must not take the wake-up with it.")
                taken = list(found.leases)
        assert [lease.id for lease in taken] == ["a"], "the job is with the one or with the other"

    async def test_a_long_wait_lets_other_queues_be_served(self, live: Bench) -> None:
        second = await live.second_driver()
        async with background(live.work()):
            await live.under_way()
            await live.enqueue(new_job("a", queue="news"))
            other = live.work(driver=second, queues=["news"], runner="other")
            found = await promptly(other, "A waiting runner holds up no other.")
        assert [lease.id for lease in found.leases] == ["a"], "the other runner has its job"
