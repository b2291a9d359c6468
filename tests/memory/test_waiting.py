"""Whom the memory driver wakes, from where, and what becomes of a call that is ended while it waits."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

import pytest

from flowli.driver import Act, Deed, Millis, Settlement, State
from flowli.errors import DriverClosed
from flowli_memory import MemoryDriver
from tests.memory.work import HOUR, aside, claim, new_job, opened, settled, take

pytestmark = pytest.mark.anyio


class CountingClock:
    """The real time, and how often a driver asked for it."""

    def __init__(self) -> None:
        self.reads = 0

    def now(self) -> datetime:
        self.reads += 1
        return datetime.now(UTC)


async def test_closing_a_driver_ends_a_claim_that_waits(driver: MemoryDriver) -> None:
    async with aside(driver, take(driver, claim(wait=HOUR))) as waiting:
        await driver.close()
        with pytest.raises(DriverClosed, match="open"):
            await waiting


async def test_closing_a_driver_ends_a_wait_for_outcomes(driver: MemoryDriver) -> None:
    await driver.enqueue([new_job("a")])
    async with aside(driver, driver.outcomes(["a"], wait=HOUR)) as waiting:
        await driver.close()
        with pytest.raises(DriverClosed):
            await waiting


async def test_a_driver_that_was_opened_again_does_not_revive_the_waits_of_before(driver: MemoryDriver) -> None:
    async with aside(driver, take(driver, claim(wait=HOUR))) as waiting:
        await driver.close()
        await driver.open()
        with pytest.raises(DriverClosed):
            await waiting


async def test_closing_a_twin_leaves_the_others_waiting(driver: MemoryDriver) -> None:
    async with opened(driver.twin()) as twin, aside(driver, take(driver, claim(wait=HOUR))) as waiting:
        await twin.close()
        await driver.enqueue([new_job("a")])
        assert await waiting == ["a"]


async def test_an_enqueue_wakes_one_of_those_who_wait(driver: MemoryDriver) -> None:
    async with (
        aside(driver, take(driver, claim(wait=HOUR))) as one,
        aside(driver, take(driver, claim(wait=HOUR))) as two,
    ):
        await driver.enqueue([new_job("a")])
        assert await one == ["a"]
        assert not two.done()


async def test_what_one_runner_leaves_wakes_the_next(driver: MemoryDriver) -> None:
    async with (
        aside(driver, take(driver, claim(1, wait=HOUR))) as one,
        aside(driver, take(driver, claim(1, wait=HOUR))) as two,
    ):
        await driver.enqueue([new_job("a"), new_job("b")])
        assert [await one, await two] == [["a"], ["b"]]


async def test_an_enqueue_wakes_nobody_who_waits_for_other_queues(driver: MemoryDriver) -> None:
    other = take(driver, claim(wait=HOUR, queues=["news"]))
    async with aside(driver, other) as news, aside(driver, take(driver, claim(wait=HOUR, queues=None))) as anything:
        await driver.enqueue([new_job("a", "mail")])
        assert await anything == ["a"]
        assert not news.done()


async def test_a_wake_up_that_meets_a_cancelled_call_goes_to_the_next(driver: MemoryDriver) -> None:
    async with (
        aside(driver, take(driver, claim(wait=HOUR))) as one,
        aside(driver, take(driver, claim(wait=HOUR))) as two,
    ):
        await driver.enqueue([new_job("a")])
        one.cancel()
        assert await two == ["a"]
        assert one.cancelled()


async def test_a_call_cancelled_while_it_waits_has_leased_nothing(driver: MemoryDriver) -> None:
    async with aside(driver, take(driver, claim(wait=HOUR))) as waiting:
        waiting.cancel()
        await driver.enqueue([new_job("a")])
        assert await take(driver, claim()) == ["a"]


async def test_a_settlement_is_written_before_its_exchange_waits(driver: MemoryDriver) -> None:
    await driver.enqueue([new_job("a")])
    done = settled(await driver.exchange((), claim()), keep_for=HOUR)
    async with aside(driver, driver.exchange(done, claim(wait=HOUR))):
        assert list(await driver.outcomes(["a"])) == ["a"]


async def test_a_job_that_is_due_earlier_than_all_known_shortens_the_sleep(driver: MemoryDriver) -> None:
    await driver.enqueue([new_job("later", delay=HOUR)])
    async with aside(driver, take(driver, claim(wait=HOUR))) as waiting:
        await driver.enqueue([new_job("soon", delay=5)])
        assert await waiting == ["soon"]


async def test_a_short_lease_of_another_runner_shortens_the_sleep(driver: MemoryDriver) -> None:
    async with aside(driver, take(driver, claim(wait=HOUR, queues=["mail", "news"]))) as waiting:
        jobs = driver.enqueue([new_job("a", "mail")])
        await asyncio.gather(jobs, driver.exchange((), claim(queues=["mail"], lease_for=5)))
        assert await waiting == ["a"]


async def test_time_goes_on_from_an_instant_that_was_passed(driver: MemoryDriver) -> None:
    start = Millis(1_000_000)
    await driver.enqueue([new_job("a", delay=5)], now=start)
    exchanged = await driver.exchange((), claim(wait=HOUR), now=start)
    assert [lease.id for lease in exchanged.leases] == ["a"]
    assert start + 5 <= exchanged.now < start + HOUR


async def test_a_cancellation_wakes_who_waits_for_the_outcome(driver: MemoryDriver) -> None:
    await driver.enqueue([new_job("a"), new_job("b")])
    async with aside(driver, driver.outcomes(["a", "b"], wait=HOUR)) as waiting:
        await driver.act([Act(id="b", deed=Deed.CANCEL, keep_for=HOUR)])
        assert {id: job.state for id, job in (await waiting).items() if job} == {"b": State.CANCELLED}


async def test_a_job_that_leaves_nothing_still_wakes_who_waits_for_it(driver: MemoryDriver) -> None:
    await driver.enqueue([new_job("a")])
    (lease,) = (await driver.exchange((), claim())).leases
    async with aside(driver, driver.outcomes(["a"], wait=HOUR)) as waiting:
        await driver.exchange([Settlement("a", "mail", lease.token, State.COMPLETED, b"")])
        assert await waiting == {"a": None}


async def test_a_wake_up_that_meets_a_closed_driver_goes_to_the_next(driver: MemoryDriver) -> None:
    async with (
        opened(driver.twin()) as twin,
        aside(twin, take(twin, claim(wait=HOUR))) as one,
        aside(driver, take(driver, claim(wait=HOUR))) as two,
    ):
        await driver.enqueue([new_job("a")])
        await twin.close()
        assert await two == ["a"]
        with pytest.raises(DriverClosed):
            await one


async def test_runners_with_nothing_to_do_let_each_other_sleep() -> None:
    clock = CountingClock()
    async with opened(MemoryDriver(clock=clock)) as driver:
        async with aside(driver, take(driver, claim(wait=HOUR))), aside(driver, take(driver, claim(wait=HOUR))):
            looks = clock.reads
            for _ in range(10):
                await asyncio.sleep(0)
            assert clock.reads == looks


async def test_an_enqueue_in_another_thread_wakes_a_claim_in_this_one(timed: MemoryDriver) -> None:
    async with aside(timed, take(timed, claim(wait=HOUR))) as waiting:
        thread = threading.Thread(target=lambda: asyncio.run(_enqueue_elsewhere(timed.twin())))
        thread.start()
        assert await waiting == ["a"]
        thread.join()


async def test_a_waiter_whose_event_loop_is_gone_takes_no_wake_up(timed: MemoryDriver) -> None:
    abandoned: list[asyncio.Task[list[str]]] = []
    thread = threading.Thread(target=lambda: abandoned.append(_wait_and_abandon(timed.twin())))
    thread.start()
    thread.join()
    async with aside(timed, take(timed, claim(wait=HOUR))) as waiting:
        await timed.enqueue([new_job("a")])
        assert await waiting == ["a"]


async def _enqueue_elsewhere(driver: MemoryDriver) -> None:
    async with opened(driver):
        await driver.enqueue([new_job("a")])


def _wait_and_abandon(driver: MemoryDriver) -> asyncio.Task[list[str]]:
    """Begin a claim that waits, and close its event loop as only a careless program does."""

    async def begin() -> asyncio.Task[list[str]]:
        await driver.open()
        task = asyncio.create_task(take(driver, claim(wait=HOUR)))
        for _ in range(3):
            await driver.get_jobs([])
        return task

    loop = asyncio.new_event_loop()
    loop.set_exception_handler(lambda _, __: None)
    task = loop.run_until_complete(begin())
    loop.close()
    return task
