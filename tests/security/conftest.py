"""A prefix, drivers through both clients, and a look past them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from flowli.resp.driver import RespDriver
from flowli_glide import GlideDriver
from flowli_redis import RedisDriver
from tests.support.outside import Outside, outside
from tests.support.servers import ValkeyServer


@pytest.fixture
def prefix() -> str:
    return uuid4().hex


@pytest.fixture(params=["redis", "glide"])
async def driver(request: pytest.FixtureRequest, valkey_server: ValkeyServer, prefix: str) -> AsyncIterator[RespDriver]:
    """An open driver below `prefix`, through each client."""
    kinds: dict[str, type[RedisDriver] | type[GlideDriver]] = {"redis": RedisDriver, "glide": GlideDriver}
    driver = kinds[str(request.param)](valkey_server.url, prefix=prefix)
    await driver.open()
    yield driver
    await driver.close()


@pytest.fixture
async def client(valkey_server: ValkeyServer) -> AsyncIterator[Outside]:
    async with outside(valkey_server.url) as client:
        yield client
