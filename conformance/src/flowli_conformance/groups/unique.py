"""`Bonds.unique`, for drivers that declare it: one job holds a key, and a request for a held one makes no other."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any, cast

import pytest

from flowli.driver import (
    Ability,
    Bonds,
    Change,
    Disposition,
    Enqueued,
    Millis,
    NewJob,
    OnConflict,
    Settled,
    State,
    StoredSchedule,
    UniqueKey,
    Until,
)
from flowli_conformance.bench import HOUR, LEASE, MINUTE, SECOND, Bench, new_job, new_jobs, only, paired, settlement
from flowli_conformance.suite import Suite

__all__ = ["UniqueSuite"]

CREATED, EXISTING = Disposition.CREATED, Disposition.EXISTING
REPLACE, RESCHEDULE = OnConflict.REPLACE, OnConflict.RESCHEDULE

_ODD = {
    "nul": "a\x00b",
    "newlines": "a\nb\r\nc",
    "braces": "{a}",
    "colons": "a:b:9:",
    "blanks": " a  b ",
    "unicode": "ключ \U0001f511",
    "digits": "17",
    "empty-looking": "\t",
    "longest": "k" * 500,
}


def _keyed(
    id: str,
    key: str = "key",
    until: Until = Until.SETTLED,
    *,
    on_conflict: OnConflict = OnConflict.KEEP,
    within: int | None = None,
    **rest: Any,
) -> NewJob:
    span = None if within is None else Millis(within)
    return new_job(id, bonds=Bonds(unique=UniqueKey(key, until, on_conflict, span)), **rest)


class UniqueSuite(Suite):
    """A key has one holder at a time, and a request for a held one is told of it. Users rely on it not to pay twice."""

    @pytest.fixture(autouse=True)
    def _declared(self, request: pytest.FixtureRequest) -> None:
        """For the tests of this group alone: a class that inherits all groups has the fixtures of each."""
        if request.node.originalname not in vars(UniqueSuite):
            return
        if Ability.UNIQUE not in request.getfixturevalue("make_driver")().abilities:
            pytest.skip("the driver does not declare the ability `unique`")

    async def test_a_second_job_under_a_held_key_is_not_made(self, bench: Bench) -> None:
        assert await bench.enqueue(_keyed("a")) == [Enqueued(CREATED, "a", State.QUEUED, bench.now)], (
            "the first request for a key makes its job"
        )
        ready_at = bench.now
        bench.advance(MINUTE)
        assert await bench.enqueue(_keyed("b", body=b"other")) == [Enqueued(EXISTING, "a", State.QUEUED, ready_at)], (
            "a request for a held key is answered with the job that holds it, as it stands"
        )
        assert await bench.find("b") is None, "and makes none of its own"
        assert await bench.lease_ids() == ["a"], "so that one job runs"

    async def test_other_keys_and_jobs_without_one_are_free(self, bench: Bench) -> None:
        answers = await bench.enqueue(_keyed("a"), _keyed("b", "other"), new_job("c"))
        assert [answer.disposition for answer in answers] == [CREATED] * 3, (
            "a key concerns who asks for it, and no other"
        )

    async def test_a_key_is_held_whatever_the_queue(self, bench: Bench) -> None:
        await bench.enqueue(_keyed("a", queue="mail"))
        (answer,) = await bench.enqueue(_keyed("b", queue="news", name="other"))
        assert (answer.disposition, answer.id) == (EXISTING, "a"), "keys belong to the whole namespace, as ids do"

    async def test_a_known_id_comes_before_a_key(self, bench: Bench) -> None:
        await bench.enqueue(_keyed("a"), new_job("b"))
        answers = await bench.enqueue(_keyed("b"), _keyed("a", "free"))
        assert [answer.id for answer in answers] == ["b", "a"], (
            "the same id is the same job, whatever key it comes with"
        )
        (answer,) = await bench.enqueue(_keyed("c", "free"))
        assert answer.disposition is CREATED, "and a request that made no job takes no key"

    async def test_a_key_twice_in_one_batch_is_one_job(self, bench: Bench) -> None:
        await bench.enqueue(new_job("known"))
        answers = await bench.enqueue(_keyed("a"), new_job("known"), _keyed("b"), new_job("c", delay=HOUR), _keyed("c"))
        assert [(one.disposition, one.id) for one in answers] == [
            (CREATED, "a"),
            (EXISTING, "known"),
            (EXISTING, "a"),
            (CREATED, "c"),
            (EXISTING, "c"),
        ], "each request of a batch meets what those before it did, and answers keep their order"

    async def test_a_large_batch_under_one_key_is_one_job(self, bench: Bench) -> None:
        answers = await bench.enqueue(*[_keyed(f"job-{index}") for index in range(1_200)])
        assert {answer.id for answer in answers} == {"job-0"}, "however a batch is cut, its first request wins"

    @pytest.mark.parametrize("state", [State.SCHEDULED, State.QUEUED, State.ACTIVE])
    async def test_a_key_is_held_until_its_job_is_over(self, bench: Bench, state: State) -> None:
        await bench.bring(state, _keyed("a"))
        (answer,) = await bench.enqueue(_keyed("b"))
        assert (answer.disposition, answer.id, answer.state) == (EXISTING, "a", state), "what is not over holds its key"

    @pytest.mark.parametrize("keep_for", [0, HOUR])
    @pytest.mark.parametrize("state", [State.COMPLETED, State.FAILED, State.CANCELLED])
    async def test_what_is_over_frees_its_key(self, bench: Bench, state: State, keep_for: int) -> None:
        (lease,) = await bench.start(_keyed("a"))
        await bench.settle(settlement(lease, state, keep_for=keep_for))
        (answer,) = await bench.enqueue(_keyed("b"))
        assert (answer.disposition, answer.id) == (CREATED, "b"), "a job that is over stands in nobody's way"

    @pytest.mark.parametrize("until", Until)
    async def test_a_cancellation_of_what_waits_frees_its_key(self, bench: Bench, until: Until) -> None:
        for round, keep_for in enumerate((0, HOUR)):
            await bench.enqueue(_keyed(f"a-{round}", until=until, within=HOUR, delay=MINUTE))
            await bench.cancel(f"a-{round}", keep_for=keep_for)
            (answer,) = await bench.enqueue(_keyed("b", until=until, within=HOUR))
            assert answer.disposition is CREATED, "what was cancelled before its time does not run: the next one may"
            await bench.cancel("b", keep_for=0)

    async def test_a_key_survives_a_retry_a_release_and_a_crash(self, bench: Bench) -> None:
        (lease,) = await bench.start(_keyed("a"))
        await bench.settle(settlement(lease, State.SCHEDULED, delay=SECOND))
        assert only(await bench.enqueue(_keyed("b")), "one answer").id == "a", "a job that is retried is not over"
        bench.advance(SECOND)
        (lease,) = await bench.lease()
        await bench.settle(settlement(lease, State.QUEUED))
        assert only(await bench.enqueue(_keyed("b")), "one answer").id == "a", "nor is one that was handed back"
        await bench.lease()
        bench.advance(LEASE)
        await bench.keep_house()
        assert only(await bench.enqueue(_keyed("b")), "one answer").id == "a", "nor is one whose runner died"
        (lease,) = await bench.lease()
        await bench.settle(settlement(lease))
        assert only(await bench.enqueue(_keyed("b")), "one answer").disposition is CREATED, "until it ends in the end"

    async def test_until_started_a_key_is_free_once_its_job_is_leased(self, bench: Bench) -> None:
        await bench.enqueue(_keyed("a", until=Until.STARTED, delay=MINUTE))
        assert only(await bench.enqueue(_keyed("b", until=Until.STARTED)), "one answer").id == "a", "it waits"
        bench.advance(MINUTE)
        (lease,) = await bench.lease()
        assert only(await bench.enqueue(_keyed("b", until=Until.STARTED)), "one answer").disposition is CREATED, (
            "what came too late for the job that has begun needs one of its own"
        )
        await bench.settle(settlement(lease, State.SCHEDULED, delay=0))
        assert only(await bench.enqueue(_keyed("c", until=Until.STARTED)), "one answer").id == "b", (
            "a retry takes no key back from the job that holds it"
        )
        leases = await bench.lease()
        await bench.settle(*(settlement(one) for one in leases if one.id == "a"))
        await bench.settle(*(settlement(one, State.QUEUED) for one in leases if one.id == "b"))
        assert only(await bench.enqueue(_keyed("c", until=Until.STARTED)), "one answer").disposition is CREATED, (
            "and one that was handed back has begun"
        )

    async def test_a_span_outlives_the_job(self, bench: Bench) -> None:
        (lease,) = await bench.start(_keyed("a", until=Until.LAPSED, within=10 * MINUTE))
        await bench.settle(settlement(lease))
        bench.advance(10 * MINUTE - 1)
        (answer,) = await bench.enqueue(_keyed("b", until=Until.LAPSED, within=10 * MINUTE))
        assert (answer.disposition, answer.id, answer.state) == (EXISTING, "a", State.COMPLETED), (
            "within the span a repeated request is the job that ran"
        )
        bench.advance(1)
        (answer,) = await bench.enqueue(_keyed("b", until=Until.LAPSED, within=10 * MINUTE))
        assert answer.disposition is CREATED, "and at its end the key is free"

    async def test_a_span_outlives_the_record(self, bench: Bench) -> None:
        (lease,) = await bench.start(_keyed("a", until=Until.LAPSED, within=10 * MINUTE))
        await bench.settle(settlement(lease, keep_for=0))
        assert await bench.enqueue(_keyed("b", until=Until.LAPSED, within=MINUTE)) == [
            Enqueued(EXISTING, "a", None, Millis(0))
        ], "where nothing was kept, nobody can say how the job ended; that it ran is known"

    @pytest.mark.parametrize("until", [Until.STARTED, Until.SETTLED])
    async def test_a_span_bounds_how_long_a_key_is_held(self, bench: Bench, until: Until) -> None:
        await bench.enqueue(_keyed("a", until=until, within=MINUTE))
        bench.advance(MINUTE)
        assert only(await bench.enqueue(_keyed("b", until=until)), "one answer").disposition is CREATED, (
            "a job that never comes to its end does not bar the others for ever"
        )
        leases = await bench.lease(1)
        await bench.settle(*(settlement(lease) for lease in leases))
        assert only(await bench.enqueue(_keyed("c", until=until)), "one answer").id == "b", (
            "and its end frees no key that another one holds"
        )

    async def test_a_job_that_waits_is_replaced(self, bench: Bench) -> None:
        await bench.enqueue(_keyed("a", queue="mail", priority=9, body=b"first", delay=MINUTE))
        bench.advance(SECOND)
        new = _keyed("b", on_conflict=REPLACE, queue="news", name="other", head=b"h", body=b"second", delay=HOUR)
        assert await bench.enqueue(new) == [
            Enqueued(Disposition.REPLACED, "a", State.SCHEDULED, bench.at(HOUR)),
        ], "the job under the key is the latest request, and keeps the id that others wait for"
        job = await bench.get("a")
        assert (job.queue, job.name, job.priority) == ("news", "other", 0), "all of it is the latest request's"
        assert (job.head, job.body) == (b"h", b"second"), "its payload too"
        assert await bench.find("b") is None, "no other job is made"
        bench.advance(HOUR)
        assert await bench.lease_ids(queues=["mail"]) == [], "nothing stays of what was replaced"
        leased = [(one.id, one.body) for one in await bench.lease(queues=["news"])]
        assert leased == [("a", b"second")], "it is served where the latest request wants it"

    async def test_a_job_that_is_ready_is_replaced(self, bench: Bench) -> None:
        await bench.enqueue(*new_jobs(3), _keyed("a", body=b"first"), new_job("last"))
        (answer,) = await bench.enqueue(_keyed("b", on_conflict=REPLACE, body=b"second"))
        assert (answer.disposition, answer.id, answer.state) == (Disposition.REPLACED, "a", State.QUEUED), (
            "what is ready but not started yet is replaced too"
        )
        assert (await bench.overview()).queues["mail"].queued == 5, "a replaced job is counted once"
        assert [lease.body for lease in await bench.lease() if lease.id == "a"] == [b"second"], "and runs once"

    async def test_a_replaced_job_begins_anew(self, bench: Bench) -> None:
        (lease,) = await bench.start(_keyed("a"))
        await bench.settle(settlement(lease, State.SCHEDULED, memo=b"failed once", delay=HOUR))
        await bench.enqueue(_keyed("b", on_conflict=REPLACE))
        (again,) = await bench.lease()
        assert (again.id, again.memo, again.deliveries) == ("a", b"", 0), "its failures were those of another request"
        assert again.token > lease.token, "tokens grow all the same"
        assert await bench.settle(settlement(lease)) in ([Settled.LOST], [Settled.REPEATED]), (
            "who held it before has nothing to say any more"
        )
        assert await bench.settle(settlement(again)) == [Settled.WRITTEN], "and who holds it now has"

    async def test_a_job_that_waits_is_rescheduled(self, bench: Bench) -> None:
        await bench.enqueue(_keyed("a", body=b"first", delay=MINUTE))
        (answer,) = await bench.enqueue(_keyed("b", on_conflict=RESCHEDULE, body=b"second", delay=HOUR))
        assert answer == Enqueued(Disposition.RESCHEDULED, "a", State.SCHEDULED, bench.at(HOUR)), (
            "only its instant moves"
        )
        bench.advance(MINUTE)
        assert await bench.lease_ids() == [], "it is not due when it was first to be"
        (answer,) = await bench.enqueue(_keyed("b", on_conflict=RESCHEDULE))
        assert answer == Enqueued(Disposition.RESCHEDULED, "a", State.QUEUED, bench.now), "it may be moved to now"
        assert [(one.id, one.body) for one in await bench.lease()] == [("a", b"first")], "with the input that it had"

    @pytest.mark.parametrize("priority", [0, 5])
    async def test_a_job_that_is_ready_is_rescheduled(self, bench: Bench, priority: int) -> None:
        await bench.enqueue(new_job("other"), _keyed("a", priority=priority))
        await bench.enqueue(_keyed("b", on_conflict=RESCHEDULE, delay=SECOND))
        assert await bench.lease_ids() == ["other"], "what was moved waits for its instant"
        bench.advance(SECOND)
        await bench.enqueue(new_job("later"))
        assert await bench.lease_ids() == ["a", "later"], "and then for its turn"

    @pytest.mark.parametrize("on_conflict", [REPLACE, RESCHEDULE])
    async def test_what_runs_is_neither_replaced_nor_rescheduled(self, bench: Bench, on_conflict: OnConflict) -> None:
        (lease,) = await bench.start(_keyed("a"))
        (answer,) = await bench.enqueue(_keyed("b", on_conflict=on_conflict, body=b"second"))
        assert answer == Enqueued(EXISTING, "a", State.ACTIVE, Millis(0)), "its caller learns that it came too late"
        assert await bench.settle(settlement(lease)) == [Settled.WRITTEN], "and its runner is not disturbed"

    async def test_a_burst_becomes_one_job_after_its_last_request(self, bench: Bench) -> None:
        for number in range(5):
            request = _keyed(
                f"job-{number}", until=Until.STARTED, on_conflict=REPLACE, body=b"%d" % number, delay=3_000
            )
            await bench.enqueue(request)
            bench.advance(SECOND)
            assert await bench.lease() == [], "while requests keep coming nothing runs"
        bench.advance(2 * SECOND)
        assert [lease.body for lease in await bench.lease()] == [b"4"], "then one job, with the last input"

    @pytest.mark.parametrize("on_conflict", [REPLACE, RESCHEDULE])
    async def test_a_burst_that_does_not_end_waits_no_longer_than_the_span(
        self, bench: Bench, on_conflict: OnConflict
    ) -> None:
        begin, ran = bench.now, list[int]()
        for number in range(30):
            await bench.enqueue(
                _keyed(f"job-{number}", until=Until.STARTED, on_conflict=on_conflict, within=10_000, delay=3_000)
            )
            bench.advance(SECOND)
            ran += [bench.now - begin for _ in await bench.lease()]
        assert ran == [10_000, 20_000, 30_000], "each row of requests runs when its span ends, however they come"

    async def test_a_throttled_job_runs_once_in_each_span(self, bench: Bench) -> None:
        made: list[int] = []
        for minute in range(25):
            (answer,) = await bench.enqueue(_keyed(f"job-{minute}", until=Until.LAPSED, within=10 * MINUTE))
            made += [minute] if answer.disposition is CREATED else []
            await bench.settle(*(settlement(lease) for lease in await bench.lease()))
            bench.advance(MINUTE)
        assert made == [0, 10, 20], "the first request of a span makes the job, the others are told of it"

    async def test_one_key_asked_for_by_many_has_one_holder(self, bench: Bench) -> None:
        drivers = [bench.driver, await bench.second_driver(), await bench.second_driver()]

        async def enqueue(index: int) -> Enqueued:
            jobs = [_keyed(f"job-{index}", queue=f"queue-{index % 2}")]
            return paired(await drivers[index % 3].enqueue(jobs, now=bench.now), jobs, "enqueue")[0]

        answers = await asyncio.gather(*(enqueue(index) for index in range(64)))
        assert Counter(one.disposition for one in answers) == {CREATED: 1, EXISTING: 63}, "one winner"
        assert len({one.id for one in answers}) == 1, "and all the others get its handle"
        assert await bench.lease_ids(queues=["queue-0", "queue-1"]) == [answers[0].id], "and one job is executed"

    async def test_a_key_beside_the_end_of_its_job_is_held_or_free(self, bench: Bench) -> None:
        other = await bench.second_driver()
        for round in range(20):
            (lease,) = await bench.start(_keyed(f"a-{round}"))
            request = [_keyed(f"b-{round}")]
            _, answers = await asyncio.gather(bench.settle(settlement(lease)), other.enqueue(request, now=bench.now))
            (answer,) = answers
            leases = await bench.lease()
            assert [one.id for one in leases] == ([f"b-{round}"] if answer.disposition is CREATED else []), (
                "a request is either told of a job that was not over, or makes its own"
            )
            await bench.settle(*(settlement(one) for one in leases))

    async def test_the_jobs_of_a_schedule_meet_keys_too(self, bench: Bench) -> None:
        body = StoredSchedule(key="daily", version=0, next_run_at=bench.at(HOUR), body=b"definition")
        await bench.enqueue(_keyed("a", delay=HOUR))
        jobs = [_keyed("b"), new_job("c"), _keyed("d", "other"), _keyed("e", on_conflict=REPLACE, body=b"e")]
        change = Change(key="daily", expected=0, successor=body, jobs=jobs)
        (changed,) = await bench.driver.change_schedules([change], now=bench.clock)
        assert [(one.disposition, one.id, one.state) for one in changed.jobs] == [
            (EXISTING, "a", State.SCHEDULED),
            (CREATED, "c", State.QUEUED),
            (CREATED, "d", State.QUEUED),
            (Disposition.REPLACED, "a", State.QUEUED),
        ], "what a schedule stores, it stores as a call does"
        assert sorted(await bench.lease_ids()) == ["a", "c", "d"], "and all of it runs"
        assert only(await bench.enqueue(_keyed("f", "other")), "one answer").id == "d", "and holds its keys"
        (changed,) = await bench.driver.change_schedules([change], now=bench.clock)
        assert (changed.applied, list(changed.jobs)) == (False, []), "a change that comes too late stores nothing"

    async def test_a_repeated_request_replaces_nothing_twice(self, bench: Bench) -> None:
        await bench.enqueue(_keyed("a", until=Until.STARTED, body=b"first"))
        turn, request = bench.turn(), _keyed("b", until=Until.STARTED, on_conflict=REPLACE, body=b"second")
        first = await bench.enqueue(request, turn=turn)
        (lease,) = await bench.lease()
        await bench.settle(settlement(lease, keep_for=0))
        assert await bench.enqueue(request, turn=turn) == first, "a call whose reply was lost is answered from memory"
        assert await bench.lease() == [], "and its work is not done again"

    @pytest.mark.parametrize("key", _ODD.values(), ids=_ODD)
    async def test_an_odd_key_is_held_and_freed(self, bench: Bench, key: str) -> None:
        await bench.enqueue(_keyed("{odd}:\n\x00", key, within=HOUR))
        (answer,) = await bench.enqueue(_keyed("b", key))
        assert (answer.disposition, answer.id) == (EXISTING, "{odd}:\n\x00"), "a key is any text"
        (lease,) = await bench.lease()
        await bench.settle(settlement(lease))
        assert only(await bench.enqueue(_keyed("b", key)), "one answer").disposition is CREATED, "that was freed"

    @pytest.mark.parametrize("other", ["KEY", "key ", " key", "ke\u0301y", "kéy", "key\x00"])
    async def test_keys_that_look_alike_are_two(self, bench: Bench, other: str) -> None:
        answers = await bench.enqueue(_keyed("a", "key"), _keyed("b", other))
        assert [one.disposition for one in answers] == [CREATED, CREATED], "keys are compared byte by byte"

    async def test_a_job_that_is_replaced_under_another_key_holds_its_own_no_more(self, bench: Bench) -> None:
        lapsing = _keyed("a", "outlives", Until.LAPSED, within=HOUR, on_conflict=REPLACE)
        await bench.enqueue(lapsing)
        await bench.settle(settlement(only(await bench.lease(), "it is ready"), keep_for=0))  # frees its id alone
        await bench.enqueue(_keyed("a", "own"))
        [answer] = await bench.enqueue(lapsing._replace(id="b"))
        assert (answer.disposition, answer.id) == (Disposition.REPLACED, "a"), "what waits under that id stands for it"
        if Ability.EXAMINE in bench.driver.abilities:
            facts = (await cast("Any", bench.driver).examine(now=bench.clock)).facts
            assert facts["unique_keys"] == 1, "nothing is left of its key"
        assert (await bench.enqueue(_keyed("c", "own")))[0].disposition is CREATED, "which nobody holds"

    async def test_no_key_is_left_behind(self, bench: Bench) -> None:
        driver: Any = bench.driver
        if Ability.EXAMINE not in driver.abilities:
            pytest.skip("the driver does not declare the ability `examine`")
        for number, until in enumerate(Until):
            jobs = [_keyed(f"{number}-{n}", f"{number}-{n}", until, within=MINUTE) for n in range(6)]
            await bench.enqueue(*jobs)
            await bench.enqueue(_keyed("x", f"{number}-0", until, on_conflict=REPLACE))
            await bench.cancel(f"{number}-0", f"{number}-1", keep_for=number % 2)
            leases = await bench.lease()
            await bench.settle(*(settlement(lease, keep_for=n % 2) for n, lease in enumerate(leases)))
            held = (await driver.examine(now=bench.clock)).facts["unique_keys"]
            assert held == (len(leases) if until is Until.LAPSED else 0), "what is over holds no key but by its span"
            bench.advance(MINUTE)
        found = await driver.examine(now=bench.clock)
        assert (found.facts["unique_keys"], [one for one in found.findings if "unique" in one.code]) == (0, []), (
            "and nothing stays for ever"
        )
