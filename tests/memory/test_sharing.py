"""Who may use a memory store: twins, threads, event loops; and who may not: a fork."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from flowli.driver import Ability, Driver, Turn
from flowli.errors import DriverClosed
from flowli_memory import MemoryDriver
from tests.memory.work import claim, new_job, opened, settled, take

pytestmark = pytest.mark.anyio

_FORK = """
import asyncio, os
from flowli.errors import DriverClosed
from flowli_memory import MemoryDriver

driver = MemoryDriver()
asyncio.run(driver.open())
if os.fork() == 0:
    for call in (driver.overview, driver.open, driver.twin().open):
        try:
            asyncio.run(call())
        except DriverClosed as error:
            print("refused:", error, flush=True)
    asyncio.run(driver.close())
    os._exit(0)
os.wait()
print("parent:", len(asyncio.run(driver.overview()).queues))
"""

_UNOPENED = """
import asyncio, os
from flowli_memory import MemoryDriver

driver = MemoryDriver()
if os.fork() == 0:
    asyncio.run(driver.open())
    print("child:", len(asyncio.run(driver.overview()).queues), flush=True)
    os._exit(0)
os.wait()
"""


def _output(script: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=True)
    return done.stdout.splitlines()


def test_a_memory_driver_names_itself_and_says_that_no_other_process_reaches_it() -> None:
    driver: Driver = MemoryDriver()
    assert (str(driver), driver.process_local) == ("memory", True)
    assert driver.abilities > {Ability.EXAMINE, Ability.PAUSES, Ability.PROGRESS, Ability.UNIQUE}


async def test_a_twin_is_closed_and_shares_the_store() -> None:
    async with opened(MemoryDriver()) as driver:
        twin = driver.twin()
        with pytest.raises(DriverClosed):
            await twin.overview()
        await driver.enqueue([new_job("a")])
        async with opened(twin):
            assert await take(twin, claim()) == ["a"]


async def test_drivers_that_are_no_twins_share_nothing() -> None:
    async with opened(MemoryDriver()) as driver, opened(MemoryDriver()) as other:
        await driver.enqueue([new_job("a")])
        assert await take(other, claim()) == []


def test_a_driver_serves_one_event_loop_after_the_other() -> None:
    driver = MemoryDriver()
    asyncio.run(driver.open())
    asyncio.run(driver.enqueue([new_job("a")]))
    assert asyncio.run(take(driver, claim())) == ["a"]


@pytest.mark.slow
def test_threads_that_enqueue_and_claim_at_once_lease_every_job_exactly_once() -> None:
    driver, producers, runners, each = MemoryDriver(), 3, 3, 400
    asyncio.run(driver.open())
    taken: Counter[str] = Counter()

    async def produce(name: int) -> None:
        async with opened(driver.twin()) as twin:
            for number in range(0, each, 8):
                turn = Turn(f"producer-{name}", number)
                await twin.enqueue([new_job(f"{name}-{n}") for n in range(number, number + 8)], turn=turn)

    async def run() -> None:
        async with opened(driver.twin()) as twin:
            found = await twin.exchange((), claim(7, wait=20_000))
            while found.leases and sum(taken.values()) < producers * each:
                taken.update(lease.id for lease in found.leases)
                found = await twin.exchange(settled(found), claim(7, wait=200))

    with ThreadPoolExecutor(runners + producers) as pool:
        calls = [pool.submit(asyncio.run, run()) for _ in range(runners)]
        calls += [pool.submit(asyncio.run, produce(name)) for name in range(producers)]
    assert [call.result() for call in calls] == [None] * len(calls)
    assert taken == Counter({f"{name}-{number}": 1 for name in range(producers) for number in range(each)})


def test_a_fork_of_the_process_that_opened_the_driver_is_refused() -> None:
    *refused, parent = _output(_FORK)
    assert len(refused) == 3
    assert all("this process is a fork" in line for line in refused)
    assert parent == "parent: 0"


def test_a_driver_that_nobody_opened_yet_may_be_opened_in_a_fork() -> None:
    assert _output(_UNOPENED) == ["child: 0"]
