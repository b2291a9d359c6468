"""The life of a driver: what it does before `open` and after `close`, on a second loop, and in a fork."""

from __future__ import annotations

import asyncio
import os
import re
import time
import warnings
from collections.abc import Awaitable, Callable, Coroutine

import pytest

from flowli.driver import (
    Act,
    Change,
    Deed,
    Driver,
    Hold,
    Millis,
    RunnerNote,
    State,
    StoredSchedule,
)
from flowli.errors import DriverClosed
from flowli_conformance.bench import LEASE, MINUTE, START, Bench, background, new_job, promptly, raises, settlement
from flowli_conformance.suite import Suite

__all__ = ["CloseSuite"]

_CALLS: dict[str, Callable[[Driver], Awaitable[object]]] = {
    "enqueue": lambda driver: driver.enqueue([new_job("x")], now=START),
    "exchange": lambda driver: driver.exchange([], None, now=START),
    "renew": lambda driver: driver.renew([Hold("mail", "x", 1)], Millis(LEASE), now=START),
    "act": lambda driver: driver.act([Act(id="x", deed=Deed.CANCEL)], now=START),
    "outcomes": lambda driver: driver.outcomes(["x"], now=START),
    "get_jobs": lambda driver: driver.get_jobs(["x"], now=START),
    "list_jobs": lambda driver: driver.list_jobs(State.QUEUED, limit=1, now=START),
    "overview": lambda driver: driver.overview(now=START),
    "announce": lambda driver: driver.announce(
        RunnerNote(id="x", queues=None, note=b"", alive_until=Millis(START + 1)), now=START
    ),
    "change_schedules": lambda driver: driver.change_schedules(
        [Change(key="x", expected=0, successor=StoredSchedule(key="x", version=0, next_run_at=None, body=b""))],
        now=START,
    ),
    "get_schedules": lambda driver: driver.get_schedules(["x"]),
    "list_schedules": lambda driver: driver.list_schedules(limit=1, now=START),
}

_VERBS = pytest.mark.parametrize("verb", list(_CALLS))
_FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform cannot fork")


async def _refuses(verb: str, driver: Driver) -> bool:
    try:
        await _CALLS[verb](driver)
    except DriverClosed:
        return True
    return False


class CloseSuite(Suite):
    """A driver works between `open` and `close`, and nowhere else."""

    @_VERBS
    async def test_a_verb_before_open_is_refused(self, make_driver: Callable[[], Driver], verb: str) -> None:
        assert await _refuses(verb, make_driver()), (
            f"{verb} raises DriverClosed before open: nothing connects by itself"
        )

    @_VERBS
    async def test_a_verb_after_close_is_refused(self, bench: Bench, verb: str) -> None:
        await bench.driver.close()
        assert await _refuses(verb, bench.driver), f"{verb} raises DriverClosed after close"

    async def test_a_refused_verb_writes_nothing(self, bench: Bench) -> None:
        await bench.driver.close()
        with raises(DriverClosed, "A verb after close is refused"):
            await bench.enqueue(new_job("a"))
        await bench.driver.open()
        assert await bench.find("a") is None, "DriverClosed says that nothing was written"

    async def test_open_and_close_are_idempotent(self, make_driver: Callable[[], Driver]) -> None:
        driver = make_driver()
        await driver.open()
        await driver.open()
        await driver.enqueue([new_job("a")], now=START)
        await driver.close()
        await driver.close()
        assert await _refuses("get_jobs", driver), "opened twice and closed once is closed"

    async def test_closing_a_driver_that_was_never_opened_is_harmless(self, make_driver: Callable[[], Driver]) -> None:
        driver = make_driver()
        await driver.close()
        assert await _refuses("get_jobs", driver), "it is closed as before"

    async def test_a_closed_driver_is_opened_again(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        await bench.driver.close()
        await bench.driver.open()
        assert await bench.lease_ids() == ["a"], "open may follow close, and the jobs are the store's, not the driver's"

    async def test_what_a_closed_driver_stored_is_there_for_another(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"), new_job("later", delay=MINUTE))
        await bench.driver.close()
        other = await bench.second_driver()
        found = await other.exchange([], bench.claim(), now=bench.now)
        assert [lease.id for lease in found.leases] == ["a"], "a process that ends takes no job with it"

    async def test_a_lease_outlives_its_driver(self, bench: Bench) -> None:
        (lease,) = await bench.start(new_job("a"))
        await bench.driver.close()
        await bench.driver.open()
        assert await bench.lease_ids() == [], "closing hands nothing back: that is a settlement"
        assert [settled.value for settled in await bench.settle(settlement(lease))] == ["written"], (
            "the token still opens"
        )

    async def test_close_ends_a_waiting_claim(self, live: Bench) -> None:
        async with background(live.work()) as waiting:
            await live.under_way()
            await promptly(live.driver.close(), "Close does not wait for those who wait.")
            with raises(DriverClosed, "Close ends waiting calls with DriverClosed: an empty answer would be repeated"):
                await promptly(waiting, "Close ends waiting calls: a shutdown must not hang on an idle claim.")
        assert waiting.done(), "the waiting call has ended"

    async def test_close_ends_a_wait_for_outcomes(self, live: Bench) -> None:
        await live.enqueue(new_job("a"))
        async with background(live.outcomes("a", wait=10 * MINUTE)) as waiting:
            await live.under_way()
            await promptly(live.driver.close(), "Close does not wait for those who wait.")
            with raises(DriverClosed, "Close ends waiting calls with DriverClosed: an empty answer would be repeated"):
                await promptly(waiting, "Close ends waiting calls: a shutdown must not hang on a handle.")
        assert waiting.done(), "the waiting call has ended"

    async def test_close_leaves_the_waits_of_another_driver_alone(self, live: Bench) -> None:
        other = await live.second_driver()
        async with background(live.work(driver=other)) as waiting:
            await live.under_way()
            await live.driver.close()
            await other.enqueue([new_job("a")])
            found = await promptly(waiting, "Each driver has connections of its own.")
        assert [lease.id for lease in found.leases] == ["a"], "the other runner goes on"

    async def test_a_twin_is_closed_until_it_is_opened(self, bench: Bench) -> None:
        twin = bench.driver.twin()
        assert await _refuses("get_jobs", twin), "whoever asks for a twin opens and closes it"

    async def test_a_twin_is_on_the_same_store(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))
        twin = bench.driver.twin()
        await twin.open()
        found = await twin.exchange([], bench.claim(), now=bench.now)
        await twin.close()
        assert [lease.id for lease in found.leases] == ["a"], "a twin sees the jobs of its driver"

    async def test_a_twin_of_a_driver_that_was_never_opened_is_on_the_same_store(self, bench: Bench) -> None:
        twin = bench.driver.twin().twin()
        await twin.open()
        await twin.enqueue([new_job("a")], now=bench.now)
        await twin.close()
        assert await bench.lease_ids() == ["a"], "a twin may be made at any time, also of a twin"

    async def test_closing_a_twin_leaves_its_driver_open(self, bench: Bench) -> None:
        twin = bench.driver.twin()
        await twin.open()
        await twin.close()
        assert not await _refuses("get_jobs", bench.driver), (
            "a twin has connections of its own: a runner whose renewals end must still settle"
        )
        await bench.enqueue(new_job("a"))
        assert await bench.lease_ids() == ["a"], "and its driver goes on"

    async def test_closing_a_driver_leaves_its_twin_open(self, bench: Bench) -> None:
        twin = bench.driver.twin()
        await twin.open()
        await bench.driver.close()
        refuses = await _refuses("enqueue", twin)
        await twin.close()
        assert not refuses, "a twin has connections of its own: whoever asked for it closes it"

    async def test_a_twin_may_be_made_in_another_thread(self, bench: Bench) -> None:
        twin = await asyncio.to_thread(bench.driver.twin)
        await twin.open()
        await twin.enqueue([new_job("a")], now=bench.now)
        await twin.close()
        assert await bench.lease_ids() == ["a"], "where a twin was made does not matter, only where it is opened"

    async def test_a_driver_says_what_it_is(self, bench: Bench) -> None:
        driver, twin = bench.driver, bench.driver.twin()
        assert isinstance(driver.process_local, bool), "a runner asks whether other processes reach the store"
        assert (twin.process_local, twin.abilities) == (driver.process_local, driver.abilities), (
            "a twin is the same kind"
        )
        assert str(driver) and not re.search(r"object at 0x", str(driver)), "str() names the store for log lines"

    @_FORKS
    @_VERBS
    async def test_a_verb_in_a_fork_is_refused(self, bench: Bench, verb: str) -> None:
        await bench.enqueue(new_job("a"))
        assert _in_a_fork(lambda: _refuses(verb, bench.driver)), (
            f"{verb} raises DriverClosed in a fork: parent and child would read each other's replies"
        )
        assert await bench.lease_ids() == ["a"], "and the parent goes on undisturbed"

    @_FORKS
    async def test_a_twin_made_in_a_fork_reaches_what_can_be_shared(self, bench: Bench) -> None:
        await bench.enqueue(new_job("a"))

        async def use_twin() -> bool:
            twin = bench.driver.twin()
            try:
                await twin.open()
                (job,) = await twin.get_jobs(["a"], now=bench.now)
                await twin.close()
            except DriverClosed:
                return bench.driver.process_local
            return job is not None and not bench.driver.process_local

        assert _in_a_fork(use_twin), (
            "a forked worker makes itself a twin and goes on; where no other process can reach the store, it is refused"
        )
        assert await bench.lease_ids() == ["a"], "and the parent goes on undisturbed"


def _in_a_fork(call: Callable[[], Coroutine[object, object, bool]]) -> bool:
    """What the call returns in a child of this process; False if it raised or did not end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if asyncio.run(asyncio.wait_for(call(), 10)) else 1
        finally:
            os._exit(code)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.002)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False
