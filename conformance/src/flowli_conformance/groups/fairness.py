"""`Bonds.group`, for drivers that declare FAIRNESS: the groups of a queue are served in turn."""

from __future__ import annotations

from typing import Any

import pytest

from flowli.driver import Ability, Bonds, NewJob, State
from flowli_conformance.bench import HOUR, LEASE, MINUTE, QUEUE, Bench, new_job, new_jobs, settlement
from flowli_conformance.suite import Suite

__all__ = ["FairnessSuite"]


def _of(group: str, *numbers: int, **options: Any) -> list[NewJob]:
    bonds = Bonds(group=group)
    return [new_job(f"{group}-{number:02}", **options)._replace(bonds=bonds) for number in numbers]


def _is_fair(bench: Bench) -> None:
    if Ability.FAIRNESS not in bench.driver.abilities:
        pytest.skip("the driver does not declare the ability `fairness`")


def _groups(ids: list[str]) -> list[str]:
    return [id.partition("-")[0] for id in ids]


class FairnessSuite(Suite):
    """Whoever comes late with one job waits for one round at most, whatever the others have brought before."""

    async def test_groups_are_served_in_turn(self, bench: Bench) -> None:
        _is_fair(bench)
        for group, number in (("a", 6), ("b", 3), ("c", 1)):
            await bench.enqueue(*_of(group, *range(number)))
        served = _groups(await bench.lease_ids(20))
        assert [sorted(served[:3]), sorted(served[3:5]), sorted(served[5:7])] == [
            ["a", "b", "c"],
            ["a", "b"],
            ["a", "b"],
        ], "in each round every group that has something waiting is served once"
        assert served[7:] == ["a", "a", "a"], "and whoever is left has the queue for itself"

    async def test_one_job_waits_for_one_round_behind_many(self, bench: Bench) -> None:
        _is_fair(bench)
        await bench.enqueue(*_of("a", *range(100)))
        await bench.lease(10)
        await bench.enqueue(*_of("b", 0))
        assert "b-00" in await bench.lease_ids(2), "a hundred jobs of one group do not delay the first of another"

    async def test_a_group_that_was_away_has_saved_nothing(self, bench: Bench) -> None:
        _is_fair(bench)
        await bench.enqueue(*_of("a", *range(40)))
        await bench.lease(20)
        await bench.enqueue(*_of("b", *range(10)))
        served = _groups(await bench.lease_ids(8))
        assert served.count("b") in {3, 4, 5}, "turns that a group did not take are not made up for at once"

    async def test_a_group_is_served_in_order(self, bench: Bench) -> None:
        _is_fair(bench)
        await bench.enqueue(*_of("a", 3, 1, 2), *_of("b", 9, 8))
        served = await bench.lease_ids()
        assert [id for id in served if id[0] == "a"] == ["a-03", "a-01", "a-02"], "first come, first served in a group"
        assert [id for id in served if id[0] == "b"] == ["b-09", "b-08"], "of each group"

    async def test_jobs_without_a_group_have_their_turn(self, bench: Bench) -> None:
        _is_fair(bench)
        await bench.enqueue(*_of("a", *range(20)), *new_jobs(20))
        served = _groups(await bench.lease_ids(10))
        assert served.count("job") in {4, 5, 6}, "they are one group more: neither starved nor before all others"

    async def test_priority_goes_before_the_turn(self, bench: Bench) -> None:
        _is_fair(bench)
        await bench.enqueue(*_of("a", 0, 1), *_of("b", 0), *_of("a", 2, 3, priority=5), new_job("job-00", priority=1))
        served = await bench.lease_ids()
        assert served[:3] == ["a-02", "a-03", "job-00"], "an urgent job passes every turn of what is less urgent"

    async def test_what_is_handed_back_comes_first(self, bench: Bench) -> None:
        _is_fair(bench)
        await bench.enqueue(*_of("a", 0, 1, 2), *_of("b", 0, 1, 2))
        first, *others = await bench.lease(3)
        await bench.settle(settlement(first, State.QUEUED))
        assert await bench.lease_ids(1) == [first.id], "what a shutdown interrupted does not wait for a turn again"
        bench.advance(LEASE)
        lapsed = (await bench.exchange(bench.claim(3))).leases
        interrupted = [first.id, *(lease.id for lease in others)]
        assert sorted(lease.id for lease in lapsed) == sorted(interrupted), "nor what lapsed"

    async def test_a_retry_has_the_turn_of_its_group(self, bench: Bench) -> None:
        _is_fair(bench)
        (retried,) = await bench.start(*_of("b", 0))
        await bench.settle(settlement(retried, State.SCHEDULED, delay=MINUTE))
        await bench.enqueue(*_of("a", *range(50)))
        bench.advance(MINUTE)
        served = await bench.lease(3)
        assert "b-00" in [lease.id for lease in served], "a job that was due keeps its group"
        assert all(lease.ready_at == bench.now for lease in served if lease.id == "b-00"), "ready since it was due"

    async def test_jobs_of_groups_are_counted_listed_and_cancelled(self, bench: Bench) -> None:
        _is_fair(bench)
        await bench.enqueue(*_of("a", 0, 1, 2), *_of("b", 0), new_job("job-00"))
        await bench.cancel("a-01", keep_for=0)
        view = (await bench.overview(QUEUE)).queues[QUEUE]
        assert (view.queued, view.oldest_ready) == (4, bench.now), "a queue holds all that is ready in it"
        found: list[str] = []
        cursor: str | None = None
        while cursor is not None or not found:
            page = await bench.driver.list_jobs(State.QUEUED, queue=QUEUE, limit=2, cursor=cursor, now=bench.clock)
            found += [job.id for job in page.items]
            cursor = page.cursor
            if cursor is None:
                break
        assert sorted(found) == ["a-00", "a-02", "b-00", "job-00"], "each is met once"
        assert (await bench.get("a-02")).state is State.QUEUED, "and is where it is"
        assert sorted(await bench.lease_ids()) == ["a-00", "a-02", "b-00", "job-00"], "what was cancelled is not served"

    async def test_an_id_returns_in_another_group(self, bench: Bench) -> None:
        _is_fair(bench)
        await bench.enqueue(*_of("a", 0, 1))
        await bench.cancel("a-00", keep_for=0)
        await bench.enqueue(new_job("a-00", delay=HOUR)._replace(bonds=Bonds(group="b")))
        (other,) = await bench.lease()
        assert other.id == "a-01", "the place that it had is gone"
        await bench.settle(settlement(other))
        bench.advance(HOUR)
        assert await bench.lease_ids() == ["a-00"], "the new one is served once"

    async def test_groups_of_two_queues_are_strangers(self, bench: Bench) -> None:
        _is_fair(bench)
        await bench.enqueue(*_of("a", *range(5)), *_of("b", 0, queue="other"))
        await bench.lease(3)
        await bench.enqueue(new_job("b-01")._replace(bonds=Bonds(group="b")))
        assert "b-01" in await bench.lease_ids(2), "a turn in another queue does not count here"
        assert await bench.lease_ids(queues=["other"]) == ["b-00"], "nor the other way"
