"""What becomes of a lease that lapsed: found by anybody's claim, counted, handed to the front, never lost or hidden."""

from __future__ import annotations

from flowli.driver import Recovered, Settled, State
from flowli_conformance.bench import DAY, HOUR, LEASE, MINUTE, SECOND, Bench, new_job, new_jobs, only, settlement
from flowli_conformance.suite import Suite

__all__ = ["RecoverySuite"]


class RecoverySuite(Suite):
    """The jobs of a runner that died are run by another one."""

    async def test_a_lease_holds_until_the_instant_of_its_end(self, bench: Bench) -> None:
        await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE - 1)
        assert list((await bench.keep_house()).recovered) == [], "a live lease is not taken away"

    async def test_a_lease_that_ends_now_has_ended(self, bench: Bench) -> None:
        await bench.start(new_job("a", name="send"), lease_for=LEASE)
        bench.advance(LEASE)
        assert list((await bench.keep_house()).recovered) == [Recovered("a", "mail", "send", 1)], (
            "a lapsed lease is reported with its job, and this lapse is counted"
        )

    async def test_a_recovered_job_is_ready_at_the_front(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE)
        await bench.keep_house()
        job = await bench.get("a")
        assert (job.state, job.due, job.token, job.deliveries, job.memo) == (State.QUEUED, 0, lease.token, 1, b""), (
            "handed back means queued, with 0 for its instant; the last token and the lapse stay on record"
        )

    async def test_a_lapse_is_reported_once(self, bench: Bench) -> None:
        await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE)
        await bench.keep_house()
        assert list((await bench.keep_house()).recovered) == [], "one lapse is one event and one delivery"

    async def test_one_claim_recovers_and_leases_again(self, bench: Bench) -> None:
        (lost,) = await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE)
        found = await bench.exchange(bench.claim())
        assert [recovered.id for recovered in found.recovered] == ["a"], "the lapse is reported"
        lease = only(found.leases, "and the job is run again at once")
        assert (lease.id, lease.deliveries, lease.ready_at) == ("a", 1, 0), "with its lapse counted, from the front"
        assert lease.token > lost.token, "under a greater token, so that the first runner is fenced off"

    async def test_each_lapse_counts_one_delivery(self, bench: Bench) -> None:
        await bench.start(new_job("a"), lease_for=LEASE)
        counted: list[int] = []
        for _ in range(4):
            bench.advance(LEASE)
            counted += [lease.deliveries for lease in await bench.lease(1, lease_for=LEASE)]
        assert counted == [1, 2, 3, 4], "core bounds the deliveries of a job that kills its runners: it must see each"

    async def test_deliveries_survive_settlements(self, bench: Bench) -> None:
        await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE)
        lease = await bench.lease_one("a")
        await bench.settle(settlement(lease, State.SCHEDULED, delay=MINUTE))
        bench.advance(MINUTE)
        lease = await bench.lease_one("a")
        assert lease.deliveries == 1, "deliveries count over the whole life of the record, retries included"
        await bench.settle(settlement(lease, State.QUEUED))
        assert (await bench.lease_one("a")).deliveries == 1, "a graceful hand-back adds none and forgets none"

    async def test_deliveries_are_kept_with_a_terminal_record(self, bench: Bench) -> None:
        await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE)
        await bench.settle(settlement(await bench.lease_one("a"), State.FAILED))
        assert (await bench.get("a")).deliveries == 1, "the record of a poison job says how often it was delivered"

    async def test_a_graceful_hand_back_is_no_delivery(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        found = await bench.exchange(bench.claim(), settlement(lease, State.QUEUED))
        assert list(found.recovered) == [], "a shutdown is not a crash"
        assert (await bench.get("a")).deliveries == 0, "and counts as none"

    async def test_a_recovered_job_keeps_its_memo(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.settle(settlement(lease, State.SCHEDULED, memo=b"one failure", delay=SECOND))
        bench.advance(SECOND)
        await bench.lease_one("a", lease_for=LEASE)
        bench.advance(LEASE)
        assert (await bench.lease_one("a")).memo == b"one failure", (
            "a crash must not lose what earlier attempts left: their failures would count again from none"
        )

    async def test_the_longest_overdue_are_handed_back_first(self, bench: Bench) -> None:
        for id, lease_for in (("c", 30 * SECOND), ("a", 10 * SECOND), ("b", 20 * SECOND)):
            await bench.start(new_job(id), lease_for=lease_for)
        bench.advance(HOUR)
        assert [recovered.id for recovered in (await bench.keep_house()).recovered] == ["a", "b", "c"], (
            "what has waited longest since its lease lapsed comes first"
        )

    async def test_a_lapsed_lease_does_not_hide_behind_live_ones(self, bench: Bench) -> None:
        await bench.start(*new_jobs(600, prefix="before"), lease_for=DAY)
        await bench.start(new_job("lapsed"), lease_for=LEASE)
        await bench.start(*new_jobs(600, prefix="later"), lease_for=DAY)
        bench.advance(LEASE)
        assert [recovered.id for recovered in (await bench.keep_house()).recovered] == ["lapsed"], (
            "hundreds of long jobs that are alive must not hide the one whose runner died"
        )

    async def test_a_lapsed_lease_does_not_hide_behind_renewed_ones(self, bench: Bench) -> None:
        live = await bench.start(*new_jobs(600), lease_for=LEASE)
        await bench.start(new_job("lapsed"), lease_for=2 * LEASE)
        await bench.renew(*live, lease_for=DAY)
        bench.advance(2 * LEASE)
        assert [recovered.id for recovered in (await bench.keep_house()).recovered] == ["lapsed"], (
            "the first end of a lease that was renewed since says nothing"
        )

    async def test_many_lapses_are_all_handed_back_over_several_calls(self, bench: Bench) -> None:
        jobs = new_jobs(1_500)
        await bench.start(*jobs, lease_for=LEASE)
        bench.advance(LEASE)
        recovered: list[str] = []
        while True:
            found = await bench.keep_house()
            recovered += [lapse.id for lapse in found.recovered]
            if not found.recovered:
                break
            assert found.more, "what was handed back can be taken at once, and there may be more to hand back"
        assert sorted(recovered) == [job.id for job in jobs], (
            "each job of a machine that died is handed back exactly once"
        )

    async def test_many_lapsed_jobs_are_all_run_again(self, bench: Bench) -> None:
        jobs = new_jobs(1_500)
        await bench.start(*jobs, lease_for=LEASE)
        bench.advance(LEASE)
        taken: list[str] = []
        while leases := await bench.lease(200, lease_for=HOUR):
            taken += [lease.id for lease in leases]
        assert sorted(taken) == [job.id for job in jobs], "each job of a machine that died is run again, once"

    async def test_any_runner_recovers_the_jobs_of_another(self, bench: Bench) -> None:
        await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE)
        other = await bench.second_driver()
        found = await other.exchange([], bench.claim(runner="other"), now=bench.now)
        assert [lease.id for lease in found.leases] == ["a"], "recovery needs no leader: any claim does it"

    async def test_a_claim_of_all_queues_recovers_in_all(self, bench: Bench) -> None:
        await bench.start(new_job("a", queue="one"), new_job("b", queue="two"), lease_for=LEASE)
        bench.advance(LEASE)
        found = await bench.keep_house(queues=None)
        assert sorted(recovered.id for recovered in found.recovered) == ["a", "b"], "no queue is left out"

    async def test_a_lapsed_job_is_active_until_it_is_handed_back(self, bench: Bench) -> None:
        await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(HOUR)
        assert (await bench.get("a")).state is State.ACTIVE, (
            "reading does not keep house: the lease could still be renewed"
        )

    async def test_the_first_runner_is_refused_after_a_recovery(self, bench: Bench) -> None:
        (lost,) = await bench.start(new_job("a"), lease_for=LEASE)
        bench.advance(LEASE)
        current = await bench.lease_one("a")
        assert await bench.settle(settlement(lost, memo=b"late"), settlement(current, memo=b"right")) == [
            Settled.LOST,
            Settled.WRITTEN,
        ], "the result of a runner that was taken for dead is refused, that of its successor counts"
        assert (await bench.get("a")).memo == b"right", "the record holds the result of the current runner"
