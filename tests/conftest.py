"""Fixtures of every test folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.servers import ValkeyServer


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Flowli runs on asyncio."""
    return "asyncio"


@pytest.fixture(scope="session")
def store_url(request: pytest.FixtureRequest) -> str:
    """Of the server that the suite runs on: FLOWLI_TEST_URL, where a prefix of its own is all that it touches; else one
    that is started for it."""
    own = os.environ.get("FLOWLI_TEST_URL")
    if own:
        return own
    server: ValkeyServer = request.getfixturevalue("valkey_server")
    return server.url


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ValkeyServer]:
    """One server for the whole run: take a prefix of your own. Who kills or fills a server starts another one."""
    server = ValkeyServer(tmp_path_factory.mktemp("valkey")).start()
    yield server
    server.stop()
