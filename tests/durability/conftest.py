"""A primary with one replica, both with an append-only file, for the tests that only stall or ask them."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.durability.drivers import CLIENTS
from tests.support.replication import Replication


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replication]:
    started = Replication(tmp_path_factory.mktemp("pair"), options=["--appendonly", "yes"]).start()
    yield started
    started.stop()


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> str:
    """The client library under the driver."""
    name: str = request.param
    return name


@pytest.fixture
def prefix() -> str:
    """A namespace that no other test uses."""
    return uuid4().hex
