"""Ten thousand jobs of every kind, enqueued through one client library and executed through the other: all settle."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import islice
from typing import TypeVar
from uuid import uuid4

import pytest

from flowli import JobFailedError, JobHandle, Runner
from flowli.driver import Driver
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver
from tests.interop.work import Request, Shop, ticks
from tests.support.polling import eventually
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(600)]

T = TypeVar("T")

EACH = 2_000
"""Of each of five kinds; schedules add theirs."""
AT_ONCE = 500
KEYS = 10


async def _gather(calls: Iterator[Awaitable[T]]) -> list[T]:
    """The results of many calls, some hundreds of them at once."""
    found: list[T] = []
    while piece := list(islice(calls, AT_ONCE)):
        found += await asyncio.gather(*piece)
    return found


async def _fails(handle: JobHandle[int]) -> bool:
    with pytest.raises(JobFailedError, match="LookupError"):
        await handle.result(timeout=300)
    return True


@pytest.mark.parametrize(
    ("produce", "execute"),
    [
        pytest.param(RedisDriver, GlideDriver, id="redis-glide"),
        pytest.param(GlideDriver, RedisDriver, id="glide-redis"),
    ],
)
async def test_ten_thousand_jobs_of_every_kind_settle(
    valkey_server: ValkeyServer, produce: Callable[..., Driver], execute: Callable[..., Driver]
) -> None:
    prefix, numbers = uuid4().hex, range(EACH)
    producer, worker = (
        Shop(context=None, driver=make(valkey_server.url, prefix=prefix)) for make in (produce, execute)
    )
    async with producer, worker, Runner(worker, concurrency=100):
        keys = [f"{prefix}-{number}" for number in range(KEYS)]
        schedules = [await producer.tick.schedule("1s", key, key=key) for key in keys]
        plain = await producer.plain.enqueue_many(list(numbers))
        with_meta = await producer.with_meta.enqueue_many(list(numbers), meta=Request(by="Ada", weight=1), priority=5)
        retried = await producer.retried.enqueue_many(list(numbers), ids=[f"retried-{n}" for n in numbers])
        failing = await producer.failing.enqueue_many(list(numbers))
        delayed = await _gather(producer.plain.delay(f"{n % 700 + 1}ms", n) for n in numbers)
        assert await _gather(handle.result(timeout=300) for handle in plain) == [2 * n for n in numbers]
        assert await _gather(handle.result(timeout=300) for handle in delayed) == [2 * n for n in numbers]
        assert await _gather(handle.result(timeout=300) for handle in retried) == [n + 3 for n in numbers]
        found = await _gather(handle.result(timeout=300) for handle in with_meta)
        assert found == [Request(by=f"Ada-{n} äß\x00", weight=2) for n in numbers]
        assert all(await _gather(_fails(handle) for handle in failing))

        async def ticked() -> bool:
            return all(ticks[key] for key in keys)

        assert await eventually(ticked, what="a firing of every schedule")
        assert all([await schedule.delete() for schedule in schedules])
        await _check_all_settled(producer, keys)


async def _check_all_settled(shop: Shop, keys: list[str]) -> None:
    async def idle() -> bool:
        counts = await shop.inspect.get_queue_counts()
        return counts.queued == counts.active == counts.scheduled == 0

    assert await eventually(idle, what="the end of the last job")
    counts = await shop.inspect.get_queue_counts()
    fired = sum(ticks[key] for key in keys)
    assert (counts.completed, counts.failed, counts.cancelled) == (4 * EACH + fired, EACH, 0)
