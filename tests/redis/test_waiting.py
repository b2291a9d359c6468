"""A wait sleeps in the server, on a connection of its own, and can be taken back whole."""

from __future__ import annotations

import asyncio

import pytest

from flowli.driver import Millis, Settled
from flowli_redis import RedisDriver
from tests.support.jobs import claim_of, ended, job_of
from tests.support.outside import Outside
from tests.support.polling import eventually

pytestmark = pytest.mark.anyio


async def _sleepers(client: Outside) -> int:
    return sum(1 for item in await client.clients() if item["cmd"] == "bzpopmin" and "b" in item["flags"])


async def _asleep(client: Outside, number: int = 1) -> None:
    async def enough() -> bool:
        return await _sleepers(client) >= number

    await eventually(enough, what=f"{number} waiting claims")


async def test_a_cancelled_wait_takes_no_job_and_no_wake_up(driver: RedisDriver, client: Outside) -> None:
    before = await _sleepers(client)
    waiting = asyncio.create_task(driver.exchange([], claim_of(wait=60_000)))
    await _asleep(client, before + 1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)

    async def awake() -> bool:
        return await _sleepers(client) == before

    await eventually(awake, what="the end of the cancelled wait")
    await driver.enqueue([job_of("a")])
    found = await asyncio.wait_for(driver.exchange([], claim_of(wait=60_000)), 20)
    assert [lease.id for lease in found.leases] == ["a"], "nobody leased the job for a caller that is gone"


async def test_a_cancelled_wait_leaves_the_wake_up_to_another(driver: RedisDriver, client: Outside) -> None:
    cancelled = asyncio.create_task(driver.exchange([], claim_of(wait=60_000)))
    await _asleep(client)
    other = asyncio.create_task(driver.exchange([], claim_of(wait=60_000)))
    await _asleep(client, 2)
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    await driver.enqueue([job_of("a")])
    found = await asyncio.wait_for(other, 20)
    assert [lease.id for lease in found.leases] == ["a"]


async def test_a_settlement_does_not_wait_behind_a_wait(driver: RedisDriver, client: Outside) -> None:
    await driver.enqueue([job_of("a")])
    (lease,) = (await driver.exchange([], claim_of())).leases
    waiting = asyncio.create_task(driver.exchange([], claim_of(wait=60_000)))
    await _asleep(client)
    settled = await asyncio.wait_for(driver.exchange([ended(lease)]), 20)
    assert settled.settled == [Settled.WRITTEN] and not waiting.done()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_a_wait_for_whatever_there_is_hears_of_a_new_queue(driver: RedisDriver, client: Outside) -> None:
    waiting = asyncio.create_task(driver.exchange([], claim_of(queues=None, wait=60_000)))
    await _asleep(client)
    await driver.enqueue([job_of("a", queue="new")])
    found = await asyncio.wait_for(waiting, 20)
    assert [lease.id for lease in found.leases] == ["a"], "no queue was known when the wait began"


async def test_more_than_one_runner_can_take_is_passed_on(driver: RedisDriver, client: Outside) -> None:
    waiting = [asyncio.create_task(driver.exchange([], claim_of(1, wait=60_000))) for _ in range(3)]
    await _asleep(client, 3)
    await driver.enqueue([job_of("a"), job_of("b"), job_of("c")])
    found = await asyncio.wait_for(asyncio.gather(*waiting), 20)
    assert sorted(lease.id for item in found for lease in item.leases) == ["a", "b", "c"]


@pytest.mark.slow
async def test_a_wait_reuses_its_connection(driver: RedisDriver, client: Outside) -> None:
    await driver.exchange([], claim_of(wait=1))
    before = await client.connections_received()
    for _ in range(5):
        await driver.exchange([], claim_of(wait=1))
    after = await client.connections_received()
    assert after == before, "waiting again opens no further connection"


@pytest.mark.slow
async def test_waits_do_not_use_up_the_connections_of_other_calls(driver: RedisDriver, client: Outside) -> None:
    queues = [f"q{number}" for number in range(24)]
    waits = [asyncio.create_task(driver.exchange([], claim_of(queues=(queue,), wait=60_000))) for queue in queues]
    await _asleep(client, 24)
    await asyncio.wait_for(driver.enqueue([job_of(queue, queue=queue) for queue in queues]), 20)
    found = await asyncio.wait_for(asyncio.gather(*waits), 20)
    assert [item.leases[0].id for item in found] == queues
    assert await driver.outcomes(queues, wait=Millis(0)) == {}


async def test_a_wait_after_one_that_found_nothing_sends_a_sleep_and_a_claim(
    driver: RedisDriver, client: Outside
) -> None:
    await driver.exchange([], claim_of(wait=20, sender="one"))
    before = await client.calls("evalsha", "bzpopmin")
    for _ in range(5):
        found = await driver.exchange([], claim_of(wait=20, sender="one"))
        assert not found.leases
    after = await client.calls("evalsha", "bzpopmin")
    assert [now - then for now, then in zip(after, before, strict=True)] == [5, 5]


async def test_what_came_between_two_waits_ends_the_second_at_once(driver: RedisDriver) -> None:
    await driver.exchange([], claim_of(wait=20, sender="one"))
    await driver.enqueue([job_of("a")])
    found = await asyncio.wait_for(driver.exchange([], claim_of(wait=60_000, sender="one")), 20)
    assert [lease.id for lease in found.leases] == ["a"]


async def test_what_is_due_between_two_waits_is_found_by_the_second(driver: RedisDriver) -> None:
    await driver.exchange([], claim_of(wait=20, sender="one"))
    await driver.enqueue([job_of("a")._replace(delay=Millis(30))])
    found = await asyncio.wait_for(driver.exchange([], claim_of(wait=60_000, sender="one")), 20)
    assert [lease.id for lease in found.leases] == ["a"]
