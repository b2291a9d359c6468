"""What a claim of `Driver.exchange` promises: what a lease holds, how much is taken, and when to come again."""

from __future__ import annotations

from collections.abc import Sequence

from flowli.driver import Lease, Settled, State
from flowli_conformance.bench import HOUR, LEASE, MINUTE, QUEUE, Bench, new_job, new_jobs, only, promptly, settlement
from flowli_conformance.suite import Suite

__all__ = ["ClaimSuite"]


def _size(leases: Sequence[Lease]) -> int:
    return sum(len(lease.body) for lease in leases)


class ClaimSuite(Suite):
    """A claim leases what is ready, once, within its limits, and says what is left."""

    async def test_an_empty_store_has_nothing_to_lease(self, bench: Bench) -> None:
        found = await bench.exchange(bench.claim())
        assert (list(found.settled), list(found.leases), list(found.recovered)) == ([], [], []), "nothing is made up"
        assert (found.more, found.next_at, found.schedule_at) == (False, None, None), (
            "nothing is left, nothing is to come"
        )
        assert found.now == bench.now, "the answer names the instant at which it was true"

    async def test_a_lease_holds_what_the_job_is(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", queue="news", name="digest", head=b"h", body=b"b", priority=3))
        ready_at = bench.now
        bench.advance(MINUTE)
        lease = only(await bench.lease(queues=["news"]), "a job that is ready is leased")
        assert lease == Lease(
            id="a",
            queue="news",
            name="digest",
            token=lease.token,
            deliveries=0,
            ready_at=ready_at,
            head=b"h",
            body=b"b",
            memo=b"",
        ), "a runner needs no second read to execute a job, and sees since when it waited"
        assert lease.token > 0, "0 stands for a job that was never leased"

    async def test_a_leased_job_is_active_until_its_deadline(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        found = await bench.exchange(bench.claim(lease_for=LEASE))
        job = await bench.get("a")
        assert found.lease_until == bench.at(LEASE), "the runner learns when its leases end"
        assert (job.state, job.due, job.token) == (State.ACTIVE, found.lease_until, found.leases[0].token), (
            "the record says who holds the job, and until when"
        )

    async def test_a_leased_job_is_not_leased_again(self, bench: Bench) -> None:
        await bench.start(new_job("a"))
        bench.advance(LEASE - 1)
        assert await bench.lease_ids() == [], "while a lease holds, nobody else runs the job"

    async def test_a_claim_takes_no_more_than_its_limit(self, bench: Bench) -> None:
        await bench.enqueue(*new_jobs(5))
        found = await bench.exchange(bench.claim(2))
        assert [lease.id for lease in found.leases] == ["job-0000", "job-0001"], "a runner takes what it has places for"
        assert found.more, "what is left could be taken at once, and the runner must know that it should come again"

    async def test_a_claim_that_took_everything_says_so(self, bench: Bench) -> None:
        await bench.enqueue(*new_jobs(2))
        assert not (await bench.exchange(bench.claim(2))).more, "with nothing left a runner may sleep"

    async def test_a_large_claim_is_served_whole(self, bench: Bench) -> None:
        jobs = new_jobs(2_500)
        await bench.enqueue(*jobs)
        taken: list[str] = []
        while ids := await bench.lease_ids(2_500):
            taken += ids
        assert taken == [job.id for job in jobs], "every job is leased once and in order, in however many parts"

    async def test_bodies_bound_what_a_claim_takes(self, bench: Bench) -> None:
        await bench.enqueue(*(new_job(f"job-{index:03}", body=b"x" * 5_000) for index in range(100)))
        found = await bench.exchange(bench.claim(100, max_bytes=100_000))
        assert 0 < _size(found.leases) <= 200_000, "a claim takes about max_bytes: a runner's memory is bounded"
        assert found.more, "what was left for its size can be taken at once"

    async def test_what_was_left_for_its_size_comes_next(self, bench: Bench) -> None:
        jobs = [new_job(f"job-{index:03}", body=b"x" * 5_000) for index in range(100)]
        await bench.enqueue(*jobs)
        taken: list[str] = []
        while leases := (await bench.exchange(bench.claim(100, max_bytes=100_000))).leases:
            taken += [lease.id for lease in leases]
        assert taken == [job.id for job in jobs], "the bound on bytes neither loses a job nor changes the order"

    async def test_one_job_is_leased_whatever_its_size(self, bench: Bench) -> None:
        await bench.enqueue(new_job("huge", body=b"x" * 200_000), new_job("next", body=b"x" * 200_000))
        first = await bench.exchange(bench.claim(1, max_bytes=1))
        assert [lease.id for lease in first.leases] == ["huge"], "a job larger than the bound must not block its queue"

    async def test_a_limit_of_0_leases_nothing(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        found = await bench.exchange(bench.claim(0))
        assert list(found.leases) == [], "a runner without a free place takes nothing"
        assert found.more, "but it hears that there is work"
        assert (await bench.get("a")).state is State.QUEUED, "and the job stays ready for others"

    async def test_a_limit_of_0_promotes_what_is_due(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", delay=MINUTE))
        bench.advance(MINUTE)
        await bench.keep_house()
        assert (await bench.get("a")).state is State.QUEUED, "housekeeping makes ready what is due"

    async def test_a_limit_of_0_hands_back_what_lapsed(self, bench: Bench) -> None:
        await bench.start(new_job("a"))
        bench.advance(LEASE)
        found = await bench.keep_house()
        assert [recovered.id for recovered in found.recovered] == ["a"], "housekeeping finds the jobs of a dead runner"
        assert (await bench.get("a")).state is State.QUEUED, "and makes them ready again"

    async def test_a_limit_of_0_does_not_wait(self, live: Bench) -> None:
        found = await promptly(
            live.exchange(live.claim(0, wait=10 * MINUTE)), "With limit=0 there is no wait: a full runner must go on."
        )
        assert list(found.leases) == [], "nothing is leased without a limit"

    async def test_a_scheduled_job_is_not_leased_before_its_instant(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", delay=MINUTE))
        bench.advance(MINUTE - 1)
        assert await bench.lease_ids() == [], "a delayed job never starts early"

    async def test_a_scheduled_job_is_leased_at_its_instant(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a", delay=MINUTE))
        due = bench.advance(MINUTE)
        lease = only(await bench.lease(), "a delayed job is leased once its instant has come")
        assert (lease.id, lease.ready_at) == ("a", due), "due at now is due, and ready since it was due"

    async def test_many_jobs_that_are_due_at_once_are_all_leased(self, bench: Bench) -> None:
        jobs = new_jobs(1_500, due=bench.at(MINUTE))
        await bench.enqueue(*jobs)
        bench.advance(MINUTE)
        taken: list[str] = []
        while True:
            found = await bench.exchange(bench.claim(100))
            taken += [lease.id for lease in found.leases]
            if not found.more:
                break
        assert sorted(taken) == [job.id for job in jobs], "`more` is true until everything that is due was taken"

    async def test_due_jobs_do_not_hide_behind_many_later_ones(self, bench: Bench) -> None:
        await bench.enqueue(*new_jobs(1_200, prefix="later", due=bench.at(HOUR)))
        await bench.enqueue(new_job("zz-due", delay=MINUTE))
        bench.advance(MINUTE)
        assert await bench.lease_ids() == ["zz-due"], "what is due is found however much is not"

    async def test_next_at_is_no_later_than_the_next_due_instant(self, bench: Bench) -> None:
        await bench.enqueue(new_job("late", delay=HOUR), new_job("soon", delay=MINUTE))
        found = await bench.exchange(bench.claim())
        assert found.next_at is not None and bench.now < found.next_at <= bench.at(MINUTE), (
            "a runner that sleeps until next_at must not oversleep the next due job"
        )

    async def test_next_at_is_no_later_than_the_end_of_a_lease(self, bench: Bench) -> None:
        await bench.start(new_job("a"), lease_for=LEASE)
        found = await bench.exchange(bench.claim(runner="another"))
        assert found.next_at is not None and bench.now < found.next_at <= bench.at(LEASE), (
            "a runner that sleeps until next_at must not oversleep the death of another runner"
        )

    async def test_next_at_counts_the_leases_of_the_same_call(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        found = await bench.exchange(bench.claim(lease_for=LEASE))
        assert found.next_at is not None and found.next_at <= bench.at(LEASE), "a lease just made ends too"

    async def test_a_claim_of_no_queues_takes_nothing(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"), new_job("b", queue="other"))
        found = await bench.exchange(bench.claim(queues=()))
        assert list(found.leases) == [], "no queues is none, and None is all: a runner that serves none takes nothing"
        assert [(await bench.get(id)).state for id in ("a", "b")] == [State.QUEUED] * 2, "what is ready stays so"

    async def test_an_exchange_without_a_claim_only_settles(self, bench: Bench) -> None:
        leases = await bench.start(new_job("a"), new_job("b"))
        await bench.enqueue(new_job("ready"), new_job("later", delay=HOUR))
        found = await bench.exchange(None, settlement(leases[0]))
        assert (list(found.settled), list(found.leases), list(found.recovered)) == ([Settled.WRITTEN], [], []), (
            "without a claim nothing is leased or handed back"
        )
        assert (found.next_at, found.schedule_at, found.now) == (None, None, bench.now), "and nothing is foretold"

    async def test_an_exchange_of_nothing_does_nothing(self, bench: Bench) -> None:
        found = await bench.exchange()
        assert (list(found.settled), list(found.leases)) == ([], []), "an empty exchange is empty"

    async def test_one_exchange_settles_and_leases(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.enqueue(new_job("b"))
        found = await bench.exchange(bench.claim(), settlement(lease))
        assert list(found.settled) == [Settled.WRITTEN], "the settlement is written"
        assert [lease.id for lease in found.leases] == ["b"], "and the next job leased, in the same call"

    async def test_tokens_grow_with_each_lease_of_a_job(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        tokens: list[int] = []
        for _ in range(5):
            lease = await bench.lease_one("a")
            tokens.append(lease.token)
            await bench.settle(settlement(lease, State.SCHEDULED, delay=MINUTE))
            bench.advance(MINUTE)
        assert tokens == sorted(set(tokens)), (
            "a fencing token grows, so that a system behind the job can refuse the older"
        )

    async def test_a_token_is_above_those_of_a_store_that_was_lost(self, live: Bench) -> None:
        (lease,) = await live.start(new_job("a"))
        now = (await live.keep_house()).now
        assert lease.token >= (now - MINUTE) * 1_000, (
            "a token is not below the microseconds of the store's clock: after a failover or from a backup that "
            "has not seen the last tokens, a system behind the job would otherwise take a new runner for a stale one"
        )

    async def test_an_unknown_runner_needs_no_announcement(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        leases = await bench.lease(queues=[QUEUE], runner="never-announced")
        assert [lease.id for lease in leases] == ["a"], "a runner may claim without having announced itself"
