"""`KeepsPauses`, for drivers that declare it: what is paused is leased to nobody, loses nothing, and is woken."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from flowli.driver import Ability, NewJob, Pause, Paused, State
from flowli_conformance.bench import (
    HOUR,
    LEASE,
    MINUTE,
    QUEUE,
    Bench,
    background,
    new_job,
    new_jobs,
    promptly,
    settlement,
)
from flowli_conformance.suite import Suite

__all__ = ["PauseSuite"]

_QUEUE = Paused("queue", QUEUE)
_JOB = Paused("job", "send")
_BOTH = [pytest.param(_QUEUE, id="queue"), pytest.param(_JOB, id="job")]


def _able(bench: Bench) -> Any:
    if Ability.PAUSES not in bench.driver.abilities:
        pytest.skip("the driver does not declare the ability `pauses`")
    return bench.driver


async def _pause(bench: Bench, *what: Paused) -> None:
    await _able(bench).pause(what, now=bench.clock)


async def _resume(bench: Bench, *what: Paused) -> None:
    await _able(bench).resume(what, now=bench.clock)


async def _pauses(bench: Bench) -> set[Pause]:
    return set(await _able(bench).get_pauses())


def _other(id: str, kind: Literal["queue", "job"]) -> NewJob:
    """A job that the pause is not about."""
    return new_job(id, queue="other") if kind == "queue" else new_job(id, name="other")


class PauseSuite(Suite):
    """An operator stops work without losing any of it."""

    @pytest.mark.parametrize("what", _BOTH)
    async def test_nothing_paused_is_leased_and_all_else_is(self, bench: Bench, what: Paused) -> None:
        await _pause(bench, what)
        await bench.enqueue(new_job("a"), _other("b", what.kind), new_job("c", priority=9))
        assert await bench.lease_ids(queues=None) == ["b"], "a pause stops what it names, and nothing else"
        found = await bench.exchange(bench.claim())
        assert (list(found.leases), found.more, found.next_at) == (
            [],
            False,
            bench.at(LEASE) if what is _JOB else None,
        ), "paused work is no reason to come again: a runner that is told of more asks in a loop"

    @pytest.mark.parametrize("what", _BOTH)
    async def test_what_was_paused_is_leased_in_its_order(self, bench: Bench, what: Paused) -> None:
        await bench.enqueue(new_job("a"))
        await _pause(bench, what)
        bench.advance(10)
        await bench.enqueue(new_job("b"), new_job("urgent", priority=5))
        assert await bench.lease_ids() == [], "paused before it was met, it is leased to nobody"
        bench.advance(10)
        await bench.enqueue(new_job("c"))
        await _resume(bench, what)
        leases = await bench.lease()
        assert [lease.id for lease in leases] == ["urgent", "a", "b", "c"], (
            "a pause is no place in the queue lost: priority first, then the instant of becoming ready"
        )
        ready = {lease.id: lease.ready_at for lease in leases}
        assert ready["a"] == bench.now - 20, "and it waits since when it was ready"

    @pytest.mark.parametrize("what", _BOTH)
    async def test_a_pause_stands_in_the_store(self, bench: Bench, what: Paused) -> None:
        await _pause(bench, what)
        since = bench.now
        bench.advance(MINUTE)
        await _pause(bench, what)
        other: Any = await bench.second_driver()
        assert set(await other.get_pauses()) == {Pause(what, since)}, (
            "every process sees what is paused, and since when"
        )
        await bench.enqueue(new_job("a"))
        assert (await other.exchange([], bench.claim(), now=bench.clock)).leases == [], "and keeps to it"
        await other.resume([what], now=bench.clock)
        assert await _pauses(bench) == set(), "whoever resumes it ends it for all"

    async def test_several_are_paused_and_resumed_each_by_itself(self, bench: Bench) -> None:
        odd = Paused("job", "queue: mail\n{x}")
        await _pause(bench, _QUEUE, _JOB, odd)
        assert {one.what for one in await _pauses(bench)} == {_QUEUE, _JOB, odd}, "one call pauses several"
        await bench.enqueue(new_job("a"), new_job("b", name=odd.name), new_job("c", name="other"))
        await _resume(bench, _QUEUE, odd)
        assert await bench.lease_ids() == ["b", "c"], "what one pause lets go another one may hold"
        await _resume(bench, _JOB)
        assert await bench.lease_ids() == ["a"], "until none does"

    @pytest.mark.parametrize("what", _BOTH)
    async def test_resuming_what_is_not_paused_changes_nothing(self, bench: Bench, what: Paused) -> None:
        await _resume(bench, what)
        await bench.enqueue(new_job("a"))
        assert await bench.lease_ids() == ["a"], "a resume that is repeated does no harm"
        assert await _pauses(bench) == set(), "and leaves nothing behind"

    @pytest.mark.parametrize("what", _BOTH)
    async def test_what_runs_goes_on(self, bench: Bench, what: Paused) -> None:
        done, late = await bench.start(*new_jobs(2))
        await _pause(bench, what)
        await bench.renew(done)
        await bench.settle(settlement(done))
        assert (await bench.get(done.id)).state is State.COMPLETED, "a pause cuts nothing off"
        bench.advance(LEASE)
        assert [one.id for one in (await bench.keep_house()).recovered] == [late.id], "a lost lease is handed back"
        assert await bench.lease_ids() == [], "and then it is paused as the rest"
        await _resume(bench, what)
        assert await bench.lease_ids() == [late.id], "until it is resumed"

    async def test_a_job_that_is_set_aside_says_so(self, bench: Bench) -> None:
        await _pause(bench, _JOB)
        await bench.enqueue(new_job("a"), new_job("b"))
        await bench.lease()
        for id in ("a", "b"):
            job = await bench.get(id)
            assert (job.state, job.due) == (State.SCHEDULED, 0), "it waits, and for no instant"
        assert (await bench.overview()).queues[QUEUE].scheduled == 2, "and is counted where it stands"
        [again] = await bench.enqueue(new_job("a"))
        assert (again.state, again.due) == (State.SCHEDULED, 0), "also for who enqueues its id again"

    @pytest.mark.parametrize("keep_for", [0, HOUR])
    @pytest.mark.parametrize("what", _BOTH)
    async def test_what_is_paused_can_be_cancelled(self, bench: Bench, what: Paused, keep_for: int) -> None:
        await _pause(bench, what)
        await bench.enqueue(*new_jobs(3))
        await bench.lease()
        [acted] = await bench.cancel("job-0001", keep_for=keep_for)
        assert acted.done, "an operator clears out what he has paused"
        await _resume(bench, what)
        assert await bench.lease_ids() == ["job-0000", "job-0002"], "and what he cancelled never runs"

    @pytest.mark.parametrize("what", _BOTH)
    async def test_what_comes_due_during_a_pause_waits_for_its_end(self, bench: Bench, what: Paused) -> None:
        await _pause(bench, what)
        await bench.enqueue(new_job("later", delay=MINUTE), new_job("now"))
        assert await bench.lease_ids() == [], "nothing is leased during a pause"
        bench.advance(2 * MINUTE)
        assert await bench.lease_ids() == [], "also not what has come due meanwhile"
        await _resume(bench, what)
        assert await bench.lease_ids() == ["now", "later"], "both are there when it ends"

    async def test_thousands_are_set_aside_and_come_back(self, bench: Bench) -> None:
        await _pause(bench, _JOB)
        await bench.enqueue(*new_jobs(2_500), new_job("last", name="other"))
        leases: list[str] = []
        for _ in range(20):
            found = await bench.exchange(bench.claim(10))
            leases += [lease.id for lease in found.leases]
            if not found.more:
                break
        assert leases == ["last"], "a backlog of paused jobs hides nothing behind it, and is gone through once"
        await _resume(bench, _JOB)
        for _ in range(20):
            if len(leases) == 2_501:
                break
            leases += await bench.lease_ids(500)
        assert len(set(leases)) == 2_501, "and all of it comes back"

    @pytest.mark.parametrize("what", _BOTH)
    async def test_a_resume_wakes_who_waits(self, live: Bench, what: Paused) -> None:
        await _pause(live, what)
        await live.enqueue(new_job("a"))
        async with background(live.work()) as working:
            await live.under_way()
            assert not working.done(), "paused work wakes nobody"
            await _resume(live, what)
            found = await promptly(working, "what is resumed is worked on at once, not at the next poll")
        assert [lease.id for lease in found.leases] == ["a"], "and it is what was paused"
