"""Many at once: claimers, producers and settlers on one store, several event loops, calls that are cancelled."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import replace

from flowli.driver import Disposition, Driver, Hold, Millis, NewJob, Renewal, Settled, State
from flowli_conformance.bench import (
    HOUR,
    LEASE,
    MINUTE,
    Bench,
    background,
    new_job,
    new_jobs,
    paired,
    promptly,
    settlement,
)
from flowli_conformance.suite import Suite

__all__ = ["ConcurrencySuite"]

_NUMBER = 200


async def _drain(bench: Bench, driver: Driver, runner: str) -> list[str]:
    taken: list[str] = []
    while True:
        found = await driver.exchange([], bench.claim(7, runner=runner, lease_for=HOUR), now=bench.now)
        if not found.leases:
            return taken
        taken += [lease.id for lease in found.leases]


def _on_a_loop_of_its_own(bench: Bench, runner: str) -> list[str]:
    async def drain() -> list[str]:
        twin = bench.driver.twin()
        await twin.open()
        try:
            return await _drain(bench, twin, runner)
        finally:
            await twin.close()

    return asyncio.run(drain())


async def _cancelled_after(steps: int, call: Coroutine[object, object, object]) -> None:
    """Start a call, let the loop turn so many times, and cancel it wherever it is."""
    task = asyncio.create_task(call)
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def _times(taken: Sequence[Sequence[str]]) -> Counter[str]:
    return Counter(id for ids in taken for id in ids)


class ConcurrencySuite(Suite):
    """Whatever happens at once, each step is whole and each job has one owner."""

    async def test_many_claims_of_one_driver_share_the_jobs(self, bench: Bench) -> None:
        jobs = new_jobs(_NUMBER)
        await bench.enqueue(*jobs)
        taken = await asyncio.gather(*(_drain(bench, bench.driver, f"runner-{index}") for index in range(10)))
        assert _times(taken) == {job.id: 1 for job in jobs}, "each job is leased once: two runners never share one"

    async def test_many_drivers_share_the_jobs(self, bench: Bench) -> None:
        jobs = new_jobs(_NUMBER)
        await bench.enqueue(*jobs)
        drivers = [bench.driver, *[await bench.second_driver() for _ in range(3)]]
        taken = await asyncio.gather(*(_drain(bench, driver, f"runner-{n}") for n, driver in enumerate(drivers)))
        assert _times(taken) == {job.id: 1 for job in jobs}, "each job is leased once, in however many processes"

    async def test_twins_on_other_loops_share_the_jobs(self, bench: Bench) -> None:
        jobs = new_jobs(_NUMBER)
        await bench.enqueue(*jobs)
        threads = [asyncio.to_thread(_on_a_loop_of_its_own, bench, f"runner-{index}") for index in range(4)]
        taken = await promptly(
            asyncio.gather(_drain(bench, bench.driver, "here"), *threads), "A twin serves the loop of another thread."
        )
        assert _times(taken) == {job.id: 1 for job in jobs}, "each job is leased once, in however many threads"

    async def test_an_enqueue_on_another_loop_wakes_a_waiting_claim(self, live: Bench) -> None:
        def produce() -> None:
            async def enqueue() -> None:
                twin = live.driver.twin()
                await twin.open()
                await twin.enqueue([new_job("a")])
                await twin.close()

            asyncio.run(enqueue())

        async with background(live.work()) as waiting:
            await live.under_way()
            await asyncio.to_thread(produce)
            found = await promptly(waiting, "An enqueue wakes an idle runner, whichever thread it came from.")
        assert [lease.id for lease in found.leases] == ["a"], "the claim that was woken leases the job"

    async def test_a_twin_renews_on_another_loop_while_a_claim_waits(self, live: Bench) -> None:
        (lease,) = await live.start(new_job("a"))

        def renew() -> Sequence[Renewal]:
            async def call() -> Sequence[Renewal]:
                twin = live.driver.twin()
                await twin.open()
                renewals = await twin.renew([Hold(lease.queue, lease.id, lease.token)], Millis(LEASE))
                await twin.close()
                return renewals

            return asyncio.run(call())

        async with background(live.work()):
            await live.under_way()
            renewed = await promptly(asyncio.to_thread(renew), "Renewals never wait behind a claim.")
        assert list(renewed) == [Renewal.RENEWED], (
            "a runner renews from a thread of its own, however busy its handlers are"
        )

    async def test_one_id_enqueued_by_many_is_created_once(self, bench: Bench) -> None:
        drivers = [bench.driver, await bench.second_driver(), await bench.second_driver()]

        async def enqueue(index: int) -> Disposition:
            jobs = [new_job("a", queue=f"queue-{index % 2}")]
            return paired(await drivers[index % 3].enqueue(jobs, now=bench.now), jobs, "enqueue")[0].disposition

        answers = Counter(await asyncio.gather(*(enqueue(index) for index in range(64))))
        assert answers == {Disposition.CREATED: 1, Disposition.EXISTING: 63}, "one winner, and all others learn of it"
        assert await bench.lease_ids(queues=["queue-0", "queue-1"]) == ["a"], "and one job is executed"

    async def test_batches_that_overlap_create_each_job_once(self, bench: Bench) -> None:
        jobs, other = new_jobs(100), await bench.second_driver()
        batches: list[list[NewJob]] = [jobs[:70], jobs[30:], jobs[::-1], jobs]
        answers = await asyncio.gather(
            *((bench.driver, other)[index % 2].enqueue(batch, now=bench.now) for index, batch in enumerate(batches))
        )
        created = [answer.id for part in answers for answer in part if answer.disposition is Disposition.CREATED]
        assert sorted(created) == [job.id for job in jobs], "each id has exactly one creator"
        assert sorted(await bench.lease_ids(500)) == [job.id for job in jobs], "and is executed once"

    async def test_one_lease_settled_by_many_is_written_once(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        calls = [settlement(lease, memo=b"%d" % index) for index in range(20)]
        answers = [settled for (settled,) in await asyncio.gather(*(bench.settle(call) for call in calls))]
        assert Counter(answers) == {Settled.WRITTEN: 1, Settled.REPEATED: 19}, "exactly one settlement is accepted"
        written = calls[answers.index(Settled.WRITTEN)]
        assert (await bench.get("a")).memo == written.memo, "and it is the one that was told so"

    async def test_a_cancellation_beside_a_claim_decides_one_way(self, bench: Bench) -> None:
        for index in range(30):
            id = f"job-{index}"
            await bench.enqueue(new_job(id))
            leases, acted = await asyncio.gather(bench.lease(), bench.cancel(id))
            if acted[0].done:
                assert leases == [], "what was cancelled in time does not run"
            else:
                assert [lease.id for lease in leases] == [id], "what was not, runs"
                assert await bench.renew(*leases) == [Renewal.CANCEL], "and is asked to stop"

    async def test_a_lapsed_job_is_recovered_by_one_of_many(self, bench: Bench) -> None:
        await bench.start(*new_jobs(20), lease_for=LEASE)
        bench.advance(LEASE)
        found = await asyncio.gather(*(bench.exchange(bench.claim(5, runner=f"runner-{n}")) for n in range(8)))
        assert _times([[lapse.id for lapse in part.recovered] for part in found]) == {
            job.id: 1 for job in new_jobs(20)
        }, "one lapse is reported once, by whoever comes first"
        assert _times([[lease.id for lease in part.leases] for part in found]) == {job.id: 1 for job in new_jobs(20)}, (
            "and each job is leased once again"
        )

    async def test_a_cancelled_wait_leaves_the_driver_usable(self, live: Bench) -> None:
        for _ in range(10):
            async with background(live.exchange(live.claim(wait=10 * MINUTE))):
                await live.under_way()
        await live.enqueue(new_job("a"))
        assert await promptly(live.lease_ids(), "A cancelled call leaves the driver usable.") == ["a"], (
            "and loses no job"
        )

    async def test_what_a_cancelled_claim_leased_is_found_by_its_turn(self, live: Bench) -> None:
        for steps in range(12):
            await live.enqueue(new_job(f"job-{steps}"))
            claim = live.claim(1, lease_for=HOUR)
            await _cancelled_after(steps, live.driver.exchange([], claim))
            leases = (await live.exchange(replace(claim, limit=0))).leases
            await live.settle(*(settlement(lease, State.QUEUED) for lease in leases))
            leases = await promptly(live.lease(), "A cancelled call leaves the driver usable.")
            assert [lease.id for lease in leases] == [f"job-{steps}"], (
                "a job that a cancelled claim leased does not stand still until it lapses"
            )
            await live.settle(settlement(leases[0], keep_for=0))

    async def test_a_cancelled_enqueue_is_whole_or_not_there(self, bench: Bench) -> None:
        for steps in range(12):
            batch = [new_job(f"{steps}-{index}") for index in range(3)]
            await _cancelled_after(steps, bench.driver.enqueue(batch, now=bench.now))
            await bench.enqueue(*batch)
            leases = await bench.lease(100)
            assert [lease.id for lease in leases] == [job.id for job in batch], (
                "repeated after a cancellation, an enqueue has the effect of one"
            )
            await bench.settle(*(settlement(lease) for lease in leases))

    async def test_a_cancelled_settlement_is_whole_or_not_there(self, bench: Bench) -> None:
        for steps in range(12):
            (lease,) = await bench.start(new_job(f"job-{steps}"))
            call = settlement(lease)
            await _cancelled_after(steps, bench.driver.exchange([call], None, now=bench.now))
            (settled,) = await bench.settle(call)
            assert settled in (Settled.WRITTEN, Settled.REPEATED), "repeated, a settlement has the effect of one"
            assert (await bench.get(lease.id)).state is State.COMPLETED, "and is written"

    async def test_cancelled_waits_for_outcomes_leave_the_driver_usable(self, live: Bench) -> None:
        (lease,) = await live.start(new_job("a"))
        for steps in range(12):
            await _cancelled_after(steps, live.driver.outcomes(["a"], wait=Millis(10 * MINUTE)))
        async with background(live.outcomes("a", wait=10 * MINUTE)) as waiting:
            await live.under_way()
            await live.settle(settlement(lease))
            found = await promptly(waiting, "A cancelled call leaves the driver usable.")
        assert set(found) == {"a"}, "and takes no outcome from anybody"
