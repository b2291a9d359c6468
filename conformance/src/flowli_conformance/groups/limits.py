"""`Bonds.needs` and `Throttles`, for drivers that declare LIMITS: what is over a limit waits, and is woken."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowli.driver import Ability, Bonds, LimitView, Millis, Need, NewJob, Rule, State
from flowli_conformance.bench import (
    HOUR,
    LEASE,
    MINUTE,
    QUEUE,
    SECOND,
    Bench,
    background,
    new_job,
    promptly,
    settlement,
)
from flowli_conformance.suite import Suite

__all__ = ["LimitSuite", "all_of", "ended", "limited", "need", "throttles", "view"]

_TWO = Rule("two", at_once=2)


def need(rule: Rule, key: str = "", weight: int = 1) -> Need:
    return Need(rule, key, weight)


def limited(id: str, *needs: Need, **options: Any) -> NewJob:
    return new_job(id, **options)._replace(bonds=Bonds(needs=needs))


def all_of(prefix: str, number: int, *needs: Need, **options: Any) -> list[NewJob]:
    return [limited(f"{prefix}-{index:02}", *needs, **options) for index in range(number)]


def throttles(bench: Bench) -> Any:
    """The driver, if it keeps limits; otherwise the test is skipped."""
    if Ability.LIMITS not in bench.driver.abilities:
        pytest.skip("the driver does not declare the ability `limits`")
    return bench.driver


async def view(bench: Bench, limit: str, key: str = "") -> LimitView:
    found: LimitView = await throttles(bench).get_limit(limit, key, now=bench.clock)
    return found


async def ended(bench: Bench, *ids: str) -> None:
    """Whether these are leased: ends each of them, and nothing of it is left."""
    leases = await bench.lease()
    assert [lease.id for lease in leases] == list(ids), "what is next, and no more than the limit admits, is leased"
    await bench.settle(*(settlement(lease, keep_for=0) for lease in leases))


class LimitSuite(Suite):
    """A limit is never exceeded, gets back what it lent however a lease ends, and wakes what waits, in order."""

    async def test_no_more_are_leased_at_once_than_a_limit_allows(self, bench: Bench) -> None:
        throttles(bench)
        await bench.enqueue(*all_of("job", 5, need(_TWO)))
        assert await bench.lease_ids() == ["job-00", "job-01"], "a limit of two lends twice"
        assert await bench.lease_ids() == [], "and no more while both are held, whoever asks"

    async def test_what_is_over_a_limit_is_scheduled_for_no_instant(self, bench: Bench) -> None:
        throttles(bench)
        await bench.enqueue(*all_of("job", 3, need(_TWO)))
        await bench.lease()
        job = await bench.get("job-02")
        assert (job.state, job.due) == (State.SCHEDULED, None), (
            "a parked job waits, and for no instant: nobody has to look at it before its limit reopens"
        )
        counts = (await bench.overview(QUEUE)).queues[QUEUE]
        assert (counts.scheduled, counts.queued, counts.active) == (1, 0, 2), "and is counted so"

    async def test_a_settlement_reopens_a_limit(self, bench: Bench) -> None:
        throttles(bench)
        await bench.enqueue(*all_of("job", 5, need(_TWO)))
        first, second = await bench.lease()
        await bench.settle(settlement(first))
        assert await bench.lease_ids() == ["job-02"], "one place is free, and one job takes it"
        await bench.settle(settlement(second, State.FAILED))
        assert await bench.lease_ids() == ["job-03"], "a failure gives back as well"

    @pytest.mark.parametrize("state", [State.CANCELLED, State.SCHEDULED])
    async def test_a_lease_gives_back_however_it_is_settled(self, bench: Bench, state: State) -> None:
        throttles(bench)
        await bench.enqueue(*all_of("job", 3, need(Rule("one", at_once=1))))
        (lease,) = await bench.lease()
        delay = HOUR if state is State.SCHEDULED else None
        await bench.settle(settlement(lease, state, delay=delay))
        assert await bench.lease_ids() == ["job-01"], "a job that waits for its retry holds nothing"

    async def test_what_is_handed_back_is_first_under_its_limit(self, bench: Bench) -> None:
        throttles(bench)
        await bench.enqueue(*all_of("job", 3, need(Rule("one", at_once=1))))
        (lease,) = await bench.lease()
        await bench.settle(settlement(lease, State.QUEUED))
        assert await bench.lease_ids() == ["job-00"], "a shutdown gives the place back, to the job that had it"

    async def test_a_lease_that_lapsed_gives_back(self, bench: Bench) -> None:
        throttles(bench)
        await bench.enqueue(*all_of("job", 3, need(Rule("one", at_once=1))))
        await bench.lease()
        bench.advance(LEASE)
        found = await bench.exchange(bench.claim())
        assert [lapse.id for lapse in found.recovered] == ["job-00"], "a lease that ended is handed back"
        assert [lease.id for lease in found.leases] == ["job-00"], "and its place with it: a dead machine keeps no slot"
        assert (await view(bench, "one")).held == 1, "one is held, not two"

    async def test_a_lease_that_was_lost_cannot_give_back_twice(self, bench: Bench) -> None:
        throttles(bench)
        await bench.enqueue(*all_of("job", 3, need(Rule("one", at_once=1))))
        (stale,) = await bench.lease()
        bench.advance(LEASE)
        await bench.lease()
        await bench.settle(settlement(stale), settlement(stale))
        assert await bench.lease_ids() == [], "whoever lost its lease has lost its place: the second holder has it"

    async def test_each_key_has_the_limit_for_itself(self, bench: Bench) -> None:
        throttles(bench)
        rule = Rule("tenant", at_once=1)
        jobs = [limited(f"{key}-{n}", need(rule, key)) for n in range(2) for key in ("a", "b", "c:d")]
        await bench.enqueue(*jobs)
        assert await bench.lease_ids() == ["a-0", "b-0", "c:d-0"], "one tenant's job does not wait for another's"

    async def test_names_and_keys_are_not_mixed_up(self, bench: Bench) -> None:
        throttles(bench)
        pairs = [("a", "bc"), ("ab", "c"), ("abc", ""), ("1", "1:x"), ("1:1", "x"), ("a\0b", "c"), ("a", "b\0c")]
        await bench.enqueue(
            *(
                limited(f"job-{at}-{n}", need(Rule(limit, at_once=1), key))
                for n in (0, 1)
                for at, (limit, key) in enumerate(pairs)
            )
        )
        found = await bench.lease_ids(20)
        assert found == [f"job-{at}-0" for at in range(len(pairs))], "a limit and a key are two texts, not one joined"

    async def test_several_limits_are_taken_together_or_not_at_all(self, bench: Bench) -> None:
        throttles(bench)
        one, two = need(Rule("one", at_once=1)), need(_TWO)
        await bench.enqueue(limited("both-1", one, two), limited("both-2", one, two), limited("two-1", two))
        assert await bench.lease_ids() == ["both-1", "two-1"], (
            "a job that waits for one of its limits holds no place in the other"
        )
        assert (await view(bench, "two")).held == 2, "and is not counted there"

    async def test_a_job_moves_on_when_the_last_of_its_limits_reopens(self, bench: Bench) -> None:
        throttles(bench)
        one, two = need(Rule("one", at_once=1)), need(Rule("other", at_once=1))
        await bench.enqueue(limited("one", one), limited("other", two), limited("both", one, two))
        first, second = await bench.lease()
        await bench.settle(settlement(first))
        assert await bench.lease_ids() == [], "one of two is not enough"
        await bench.settle(settlement(second))
        assert await bench.lease_ids() == ["both"], "both are"

    async def test_a_job_that_waits_elsewhere_keeps_nobody_waiting(self, bench: Bench) -> None:
        throttles(bench)
        slot, other = need(Rule("slot", at_once=1)), need(Rule("other", at_once=1))
        await bench.enqueue(limited("slot", slot), limited("other", other), limited("both", slot, other))
        holder, _ = await bench.lease()
        await bench.enqueue(limited("behind", slot))
        assert await bench.lease_ids() == [], "everything is held"
        await bench.settle(settlement(holder))
        found = [*await bench.lease_ids(), *await bench.lease_ids()]
        assert found == ["behind"], "a job that waits for another limit leaves its place in this one to the next"

    async def test_weights_add_up(self, bench: Bench) -> None:
        throttles(bench)
        rule = Rule("tokens", at_once=10)
        weights = {"a": 4, "b": 5, "c": 2, "d": 1}
        await bench.enqueue(*(limited(id, need(rule, "", weight)) for id, weight in weights.items()))
        leases = await bench.lease()
        assert [lease.id for lease in leases] == ["a", "b"], "4 and 5 are 9, and 2 more are too many"
        assert (await view(bench, "tokens")).held == 9, "what is held is the sum of weights"
        await bench.settle(settlement(leases[0]))
        assert await bench.lease_ids() == ["c", "d"], "5, 2 and 1 fit"

    async def test_a_large_job_is_not_passed_by_small_ones(self, bench: Bench) -> None:
        throttles(bench)
        rule = Rule("tokens", at_once=3)
        await bench.enqueue(limited("small-1", need(rule)), limited("large", need(rule, "", 3)))
        (small,) = await bench.lease()
        await bench.enqueue(limited("small-2", need(rule)))
        assert await bench.lease_ids() == [], "who comes later waits behind what is parked, or it would wait for ever"
        await bench.settle(settlement(small))
        assert await bench.lease_ids() == ["large"], "once there is room for it"

    async def test_a_weight_above_the_limit_runs_alone(self, bench: Bench) -> None:
        throttles(bench)
        rule = Rule("tokens", at_once=3)
        await bench.enqueue(limited("huge", need(rule, "", 50)), limited("small", need(rule)))
        assert await bench.lease_ids() == ["huge"], "a limit that was lowered blocks no job for ever"

    async def test_what_is_parked_moves_by_priority_and_then_in_order(self, bench: Bench) -> None:
        throttles(bench)
        one = need(Rule("one", at_once=1))
        await bench.enqueue(limited("first", one))
        [holder] = await bench.lease(lease_for=HOUR)
        for id, priority in (("low-1", 0), ("low-2", 0), ("high", 5)):
            await bench.enqueue(limited(id, one, priority=priority))
            await bench.lease()
            bench.advance(1)
        served: list[str] = []
        for _ in range(3):
            await bench.settle(settlement(holder))
            [holder] = await bench.lease()
            served.append(holder.id)
        assert served == ["high", "low-1", "low-2"], "parked jobs are in the order that they had when ready"

    async def test_a_limit_reaches_over_queues(self, bench: Bench) -> None:
        throttles(bench)
        one = need(Rule("one", at_once=1))
        await bench.enqueue(limited("mail", one, queue="mail"), limited("push", one, queue="push"))
        (lease,) = await bench.lease(queues=["mail"])
        assert await bench.lease_ids(queues=["push"]) == [], "a limit belongs to the namespace, not to a queue"
        await bench.settle(settlement(lease))
        assert await bench.lease_ids(queues=["push"]) == ["push"], "what one queue gives back another may take"

    async def test_a_queue_that_nobody_serves_blocks_no_other(self, bench: Bench) -> None:
        throttles(bench)
        one = need(Rule("one", at_once=1))
        await bench.enqueue(limited("first", one))
        (lease,) = await bench.lease()
        await bench.enqueue(limited("unserved", one, queue="unserved"))
        await bench.lease(queues=["unserved"])
        await bench.enqueue(limited("served", one))
        await bench.lease()
        await bench.settle(settlement(lease))
        bench.advance(2 * SECOND)
        await bench.keep_house()
        assert await bench.lease_ids() == ["served"], (
            "a place that is offered to a queue without a runner is offered on"
        )

    async def test_a_cancelled_job_keeps_no_place(self, bench: Bench) -> None:
        throttles(bench)
        await bench.enqueue(*all_of("job", 4, need(Rule("one", at_once=1))))
        (lease,) = await bench.lease()
        await bench.cancel("job-01", keep_for=0)
        assert (await view(bench, "one")).parked == 2, "what was cancelled does not wait"
        await bench.settle(settlement(lease))
        await bench.cancel("job-02")
        bench.advance(2 * SECOND)
        await bench.keep_house()
        assert await bench.lease_ids() == ["job-03"], "one that was cancelled after it was woken passes its place on"

    async def test_an_id_returns_after_it_was_cancelled_while_parked(self, bench: Bench) -> None:
        throttles(bench)
        one = need(Rule("one", at_once=1))
        await bench.enqueue(*all_of("job", 2, one))
        (lease,) = await bench.lease()
        await bench.cancel("job-01", keep_for=0)
        await bench.enqueue(limited("job-01", one, delay=HOUR))
        await bench.settle(settlement(lease))
        assert await bench.lease_ids() == [], "the new job is due in an hour, whatever its id waited for before"
        bench.advance(HOUR)
        assert await bench.lease_ids() == ["job-01"], "and is leased once, then"

    @pytest.mark.parametrize("is_limited", [False, True])
    async def test_an_id_that_expired_returns_with_its_own_limits(self, bench: Bench, is_limited: bool) -> None:
        throttles(bench)
        one = need(Rule("one", at_once=1))
        await bench.enqueue(limited("a", one))
        await bench.settle(settlement(await bench.lease_one("a"), keep_for=SECOND))
        await bench.enqueue(limited("holder", one))
        await bench.lease_one("holder")
        bench.advance(2 * SECOND)
        await bench.enqueue(limited("a", one) if is_limited else new_job("a"))
        assert await bench.lease_ids() == ([] if is_limited else ["a"]), (
            "the new job has its own limits, whatever its id had before"
        )

    async def test_who_holds_a_limit_can_be_seen(self, bench: Bench) -> None:
        store = throttles(bench)
        rule = Rule("tenant", at_once=2)
        await bench.enqueue(*all_of("job", 5, need(rule, "a")), limited("other", need(rule, "b")))
        await bench.lease()
        found = await view(bench, "tenant", "a")
        assert (found.rule, found.held, found.parked, sorted(found.holders)) == (rule, 2, 3, ["job-00", "job-01"]), (
            "an operator sees what a key lent, to whom, and who waits"
        )
        assert sorted(await store.get_keys("tenant")) == ["a", "b"], "and which keys are in use"

    async def test_nothing_is_left_of_a_limit_that_is_not_used(self, bench: Bench) -> None:
        store = throttles(bench)
        await bench.enqueue(*all_of("job", 3, need(_TWO, "a"), need(Rule("rate", most=3, span=Millis(MINUTE)), "a")))
        await ended(bench, "job-00", "job-01")
        await ended(bench, "job-02")
        bench.advance(2 * MINUTE)
        await bench.keep_house()
        assert [list(await store.get_keys(limit)) for limit in ("two", "rate")] == [[], []], (
            "keys come and go with tenants: what nobody holds or waits for is forgotten"
        )

    async def test_a_place_that_is_given_back_wakes_a_waiting_runner(self, live: Bench) -> None:
        throttles(live)
        one = need(Rule("one", at_once=1))
        await live.enqueue(*all_of("job", 2, one))
        (lease,) = await live.lease(lease_for=HOUR)
        async with background(live.work(runner="waiting")) as waiting:
            await live.under_way()
            await live.settle(settlement(lease))
            found = await promptly(waiting, "what a limit admits wakes a runner: nobody polls")
        assert [one.id for one in found.leases] == ["job-01"], "the job that was parked"

    async def test_a_place_given_back_in_one_queue_wakes_the_runner_of_another(self, live: Bench) -> None:
        throttles(live)
        one = need(Rule("one", at_once=1))
        await live.enqueue(limited("mail", one), limited("push", one, queue="push"))
        (lease,) = await live.lease(lease_for=HOUR)
        assert await live.lease(queues=["push"]) == [], "the limit is held"
        async with background(live.work(queues=["push"], runner="waiting")) as waiting:
            await live.under_way()
            await live.settle(settlement(lease))
            found = await promptly(waiting, "a runner of any queue is woken by what its job waited for")
        assert [one.id for one in found.leases] == ["push"], "the job that was parked"

    async def test_many_runners_never_exceed_a_limit(self, live: Bench) -> None:
        throttles(live)
        rule, held, most = Rule("crowd", at_once=3), 0, 0
        left = {job.id for job in all_of("job", 60, need(rule))}
        await live.enqueue(*all_of("job", 60, need(rule)))

        async def run(name: str) -> None:
            nonlocal held, most
            while left:
                leases = await live.lease(4, runner=name, lease_for=HOUR)
                held += len(leases)
                most = max(most, held)
                await asyncio.sleep(0)
                held -= len(leases)
                left.difference_update(lease.id for lease in leases)
                await live.settle(*(settlement(lease, keep_for=0) for lease in leases))

        await promptly(asyncio.gather(*(run(f"runner-{n}") for n in range(4))), "a limit lends on what it gets back")
        assert 0 < most <= 3, "three are three, however many ask at once"
        assert (await view(live, "crowd")).held == 0, "and nothing is left of it in the end"
