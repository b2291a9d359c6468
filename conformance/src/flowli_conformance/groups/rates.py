"""Limits of rate, holds, and rules that change, for drivers that declare LIMITS."""

from __future__ import annotations

from flowli.driver import Millis, Rule
from flowli_conformance.bench import HOUR, MINUTE, SECOND, Bench, new_job, promptly
from flowli_conformance.groups.limits import all_of, ended, limited, need, throttles, view
from flowli_conformance.suite import Suite

__all__ = ["RateSuite"]

_RATE = Rule("rate", most=3, span=Millis(MINUTE))
_TWO = Rule("two", at_once=2)


class RateSuite(Suite):
    """A rate holds in every window, wherever it begins; what is held lends nothing; what an operator writes counts."""

    async def test_a_rate_counts_leases_within_its_span(self, bench: Bench) -> None:
        throttles(bench)
        await bench.enqueue(*all_of("job", 9, need(_RATE)))
        await ended(bench, "job-00", "job-01", "job-02")
        assert await bench.lease_ids() == [], "three a minute are three, also when they have ended"
        bench.advance(MINUTE - 1)
        assert await bench.lease_ids() == [], "the minute is not over"
        bench.advance(1)
        assert await bench.lease_ids() == ["job-03", "job-04", "job-05"], "then three more"

    async def test_a_rate_holds_in_any_window(self, bench: Bench) -> None:
        throttles(bench)
        await bench.enqueue(*all_of("job", 60, need(_RATE)))
        history: list[int] = []
        for step in (20, 20, 15, 5, 1, 19, 40, 30, 10, 10, 60, 59, 1, 25, 25, 25, 25):
            history += [bench.now] * len(await bench.lease(100))
            bench.advance(step * SECOND)
        for start in history:
            assert sum(start <= at < start + MINUTE for at in history) <= 3, (
                "no window of a minute has more than three, wherever it begins: a provider counts so"
            )
        assert len(history) > 12, "and what is allowed is used"

    async def test_a_claim_says_when_a_rate_reopens(self, bench: Bench) -> None:
        throttles(bench)
        await bench.enqueue(*all_of("job", 4, need(_RATE)))
        reopens = bench.at(MINUTE)
        found = await bench.exchange(bench.claim(lease_for=HOUR))
        assert found.next_at is not None and found.next_at <= reopens, "a runner comes again when there is room again"
        assert not found.more, "and not before: what is parked cannot be taken"

    async def test_rates_are_weighted(self, bench: Bench) -> None:
        throttles(bench)
        rule = Rule("tokens", most=10, span=Millis(MINUTE))
        await bench.enqueue(*(limited(f"job-{n}", need(rule, "", n)) for n in (6, 3, 2, 9)))
        await ended(bench, "job-6", "job-3")
        bench.advance(MINUTE)
        await ended(bench, "job-2")
        assert (await view(bench, "tokens")).used == 2, "2, and 9 more would be too many"
        bench.advance(MINUTE)
        await ended(bench, "job-9")

    async def test_a_key_that_is_held_lends_nothing_until_it_reopens(self, bench: Bench) -> None:
        store = throttles(bench)
        rule = Rule("api", at_once=5)
        await store.hold("api", "a", bench.at(10 * SECOND), now=bench.clock)
        await bench.enqueue(limited("a", need(rule, "a")), limited("b", need(rule, "b")))
        assert await bench.lease_ids() == ["b"], "only the key that is held waits"
        assert (await view(bench, "api", "a")).closed_until == bench.at(10 * SECOND), "and says until when"
        bench.advance(10 * SECOND)
        assert await bench.lease_ids() == ["a"], "until the hold is over"

    async def test_a_limit_that_is_held_holds_all_its_keys(self, bench: Bench) -> None:
        store = throttles(bench)
        rule = Rule("api", at_once=5)
        await store.hold("api", None, bench.at(10 * SECOND), now=bench.clock)
        await bench.enqueue(limited("a", need(rule, "a")), limited("b", need(rule, "b")), new_job("free"))
        assert await bench.lease_ids() == ["free"], "every key waits, and nothing else does"
        await store.hold("api", None, None, now=bench.clock)
        assert await bench.lease_ids() == ["a", "b"], "a hold may be taken back before it is over"

    async def test_a_rule_stands_until_it_is_replaced(self, bench: Bench) -> None:
        store = throttles(bench)
        await bench.enqueue(limited("first", need(_TWO)))
        await bench.enqueue(limited("second", need(Rule("two", at_once=9))))
        assert list(await store.get_rules()) == [_TWO], "the first rule is kept: code that is older changes nothing"
        await store.set_rules([Rule("two", at_once=3)], now=bench.clock)
        assert list(await store.get_rules()) == [Rule("two", at_once=3)], "until somebody means to replace it"

    async def test_a_rule_that_is_raised_admits_what_is_parked(self, bench: Bench) -> None:
        store = throttles(bench)
        await bench.enqueue(*all_of("job", 5, need(Rule("day", most=1, span=Millis(24 * HOUR)))))
        await ended(bench, "job-00")
        assert await bench.lease_ids() == [], "one a day"
        await store.set_rules([Rule("day", most=3, span=Millis(24 * HOUR))], now=bench.clock)
        await bench.keep_house()
        assert await bench.lease_ids() == ["job-01", "job-02"], "three a day: nobody waits for tomorrow"

    async def test_a_rate_that_reopens_wakes_a_waiting_runner(self, live: Bench) -> None:
        throttles(live)
        await live.enqueue(*all_of("job", 2, need(Rule("often", most=1, span=Millis(300)))))
        await live.lease(lease_for=HOUR)
        found = await promptly(live.work(runner="waiting"), "a runner that waits comes again when the span is over")
        assert [one.id for one in found.leases] == ["job-01"], "the job that was parked"
