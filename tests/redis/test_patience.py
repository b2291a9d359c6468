"""A server that takes a command and says nothing: the call ends in time, and so does the connection."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from flowli.errors import DriverClosed, DriverUnavailable
from flowli_redis import RedisDriver
from tests.support.jobs import job_of
from tests.support.proxy import ChaosProxy
from tests.support.servers import ValkeyServer
from tests.support.trouble import HoldAfter

pytestmark = pytest.mark.anyio


@pytest.fixture
def proxy(valkey_server: ValkeyServer) -> Iterator[ChaosProxy]:
    with ChaosProxy(valkey_server.port) as proxy:
        yield proxy


async def test_a_call_without_a_reply_is_given_up_and_the_next_one_connects_anew(
    proxy: ChaosProxy, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver, hold = RedisDriver(proxy.url, prefix=prefix), HoldAfter(1)
    await driver.open()
    await driver.enqueue([job_of("a")])
    proxy.set(hold)
    with monkeypatch.context() as impatient:
        impatient.setattr("flowli_redis.transport._REPLY_SECONDS", 0.1)
        with pytest.raises(DriverUnavailable, match="TimeoutError") as caught:
            await asyncio.wait_for(driver.enqueue([job_of("b")]), 20)
    assert caught.value.maybe_written, "it was sent; whether it was written is unknown"
    again, new = await driver.enqueue([job_of("b"), job_of("c")])
    assert (again.disposition.value, new.disposition.value) == ("existing", "created")
    hold.release()
    await driver.close()


async def test_close_ends_a_call_that_waits_for_a_reply(proxy: ChaosProxy, prefix: str) -> None:
    driver, hold = RedisDriver(proxy.url, prefix=prefix), HoldAfter(1)
    await driver.open()
    await driver.enqueue([job_of("a")])
    proxy.set(hold)
    call = asyncio.create_task(driver.enqueue([job_of("b")]))
    assert await asyncio.to_thread(hold.happened.wait, 20)
    await driver.close()
    with pytest.raises(DriverClosed):
        await asyncio.wait_for(call, 20)
    hold.release()
