"""A fakeredis client is taken for the store it stands for: its server object, in this process."""

from __future__ import annotations

import asyncio

import pytest
from fakeredis import FakeAsyncRedis, FakeServer

from flowli_redis import RedisDriver
from tests.support.jobs import claim_of, job_of

pytestmark = pytest.mark.anyio


async def test_drivers_of_one_fake_server_share_a_store() -> None:
    server = FakeServer()
    one, two = RedisDriver(FakeAsyncRedis(server=server)), RedisDriver(FakeAsyncRedis(server=server))
    await one.open()
    await two.open()
    await one.enqueue([job_of("a")])
    assert [job and job.id for job in await two.get_jobs(["a"])] == ["a"]
    await one.close()
    await two.close()


async def test_a_cancelled_wait_on_a_fake_server_takes_no_job() -> None:
    driver = RedisDriver(FakeAsyncRedis(server=FakeServer()))
    await driver.open()
    waiting = asyncio.create_task(driver.exchange([], claim_of(wait=60_000)))
    await driver.get_jobs(["a"])
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await driver.enqueue([job_of("a")])
    found = await asyncio.wait_for(driver.exchange([], claim_of(wait=60_000)), 20)
    assert [lease.id for lease in found.leases] == ["a"], "a blocking pop of fakeredis would outlive its caller"
    await driver.close()


async def test_a_wait_on_a_fake_server_is_woken() -> None:
    driver = RedisDriver(FakeAsyncRedis(server=FakeServer()))
    await driver.open()
    waiting = asyncio.create_task(driver.exchange([], claim_of(wait=60_000)))
    await driver.get_jobs(["a"])
    await driver.enqueue([job_of("a")])
    found = await asyncio.wait_for(waiting, 20)
    assert [lease.id for lease in found.leases] == ["a"]
    await driver.close()
