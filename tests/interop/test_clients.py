"""What is enqueued through one client library is executed through another, and heard of by the first."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from flowli import JobFailedError, Runner
from flowli.driver import Driver, Hold, Millis, Renewal, Settled, State
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver
from tests.interop.work import Request, Shop, ticks
from tests.support.jobs import claim_of, ended, job_of
from tests.support.polling import eventually
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

MANY = 60
Make = Callable[..., Driver]
PAIRS = [
    pytest.param((RedisDriver, GlideDriver), id="redis-glide"),
    pytest.param((GlideDriver, RedisDriver), id="glide-redis"),
]


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


@pytest.fixture(params=PAIRS)
async def shops(
    request: pytest.FixtureRequest, valkey_server: ValkeyServer, prefix: str
) -> AsyncIterator[tuple[Shop, Shop]]:
    """One application twice: who enqueues, and who executes."""
    makes: tuple[Make, Make] = request.param
    producer, worker = (Shop(context=None, driver=make(valkey_server.url, prefix=prefix)) for make in makes)
    async with producer, worker:
        yield producer, worker


async def test_jobs_of_every_kind_are_executed_through_the_other_client(shops: tuple[Shop, Shop], prefix: str) -> None:
    producer, worker = shops
    numbers = range(MANY)
    request = Request(by="Ada", weight=1)
    async with Runner(worker, concurrency=20):
        plain = await producer.plain.enqueue_many(list(numbers))
        meta = [await producer.with_meta.enqueue(n, meta=request, priority=n % 10) for n in numbers]
        delayed = [await producer.plain.delay(f"{n}ms", n) for n in numbers]
        retried = [await producer.retried.enqueue(n, id=f"retried-{n}") for n in numbers]
        failed = [await producer.failing.enqueue(n) for n in numbers]
        schedule = await producer.tick.schedule(timedelta(seconds=1), prefix, key="tick")
        assert [await handle.result(timeout=30) for handle in plain] == [2 * n for n in numbers]
        assert [await handle.result(timeout=30) for handle in meta] == [
            Request(by=f"Ada-{n} äß\x00", weight=2) for n in numbers
        ]
        assert [await handle.result(timeout=30) for handle in delayed] == [2 * n for n in numbers]
        assert [await handle.result(timeout=30) for handle in retried] == [n + 3 for n in numbers]
        for handle in failed:
            with pytest.raises(JobFailedError, match="LookupError"):
                await handle.result(timeout=30)
        assert {(await handle.record()).failures for handle in retried} == {2}

        async def ticked() -> bool:
            return ticks[prefix] > 0

        assert await eventually(ticked, what="a firing of the schedule")
        assert await schedule.delete()


@pytest.fixture(params=PAIRS)
async def drivers(
    request: pytest.FixtureRequest, valkey_server: ValkeyServer, prefix: str
) -> AsyncIterator[tuple[Driver, Driver]]:
    """Two drivers on one store."""
    makes: tuple[Make, Make] = request.param
    one, other = (make(valkey_server.url, prefix=prefix) for make in makes)
    await one.open()
    await other.open()
    yield one, other
    await one.close()
    await other.close()


async def test_records_are_the_same_through_both_clients(drivers: tuple[Driver, Driver]) -> None:
    one, other = drivers
    ids = [f"j{number}" for number in range(300)]
    jobs = [job_of(id, body=bytes(range(256)) * 5, priority=place % 10) for place, id in enumerate(ids)]
    await one.enqueue(jobs)
    assert await other.get_jobs(ids) == await one.get_jobs(ids)
    leases = (await other.exchange([], claim_of(500))).leases
    assert len(leases) == 300 and {lease.body for lease in leases} == {jobs[0].body}
    holds = [Hold(lease.queue, lease.id, lease.token) for lease in leases]
    assert await one.renew(holds, Millis(60_000)) == [Renewal.RENEWED] * 300, "a lease is held, not a connection"
    half = [ended(lease, keep_for=60_000) for lease in leases[:150]]
    assert (await one.exchange(half)).settled == [Settled.WRITTEN] * 150
    assert (await other.exchange(half)).settled == [Settled.REPEATED] * 150
    listed = await one.list_jobs(State.COMPLETED, limit=100)
    further = await other.list_jobs(State.COMPLETED, limit=100, cursor=listed.cursor)
    assert not {job.id for job in listed.items} & {job.id for job in further.items}, "a cursor is anybody's"


async def test_an_enqueue_through_one_wakes_a_wait_through_the_other(drivers: tuple[Driver, Driver]) -> None:
    one, other = drivers
    for number in range(20):
        waiting = asyncio.create_task(other.exchange([], claim_of(wait=30_000)))
        await asyncio.sleep(0)
        await one.enqueue([job_of(f"j{number}")])
        found = await asyncio.wait_for(waiting, 20)
        assert [lease.id for lease in found.leases] == [f"j{number}"]
        outcome = asyncio.create_task(one.outcomes([f"j{number}"], wait=Millis(30_000)))
        await asyncio.sleep(0)
        await other.exchange([ended(found.leases[0], keep_for=60_000)])
        assert list(await asyncio.wait_for(outcome, 20)) == [f"j{number}"]
