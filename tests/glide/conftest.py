"""A prefix of its own for each test, drivers below it, and a client that looks at the keys from outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from flowli_glide import GlideDriver
from tests.support.outside import Outside, outside
from tests.support.servers import ValkeyServer


@pytest.fixture
def prefix() -> str:
    """A namespace that no other test uses."""
    return uuid4().hex


@pytest.fixture
async def client(valkey_server: ValkeyServer) -> AsyncIterator[Outside]:
    """A look at the shared server past the driver."""
    async with outside(valkey_server.url) as client:
        yield client


@pytest.fixture
async def driver(valkey_server: ValkeyServer, prefix: str) -> AsyncIterator[GlideDriver]:
    """An open driver below `prefix`."""
    driver = GlideDriver(valkey_server.url, prefix=prefix)
    await driver.open()
    yield driver
    await driver.close()


@pytest.fixture
async def operator(own_server: ValkeyServer) -> AsyncIterator[Outside]:
    """A look at `own_server` past the driver."""
    async with outside(own_server.url) as operator:
        yield operator


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server that the test may fill, configure or stop."""
    server = ValkeyServer(tmp_path).start()
    yield server
    server.stop()
