"""The redis-py driver keeps every promise of a driver when the user's client is one of fakeredis."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version

import fakeredis
import pytest

from flowli_conformance import DriverSuite
from flowli_redis import RedisDriver


class TestFakeRedis(DriverSuite):
    @pytest.fixture
    def make_driver(self) -> Callable[[], RedisDriver]:
        server = fakeredis.FakeServer()
        return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="test")

    @pytest.fixture(scope="session")
    @classmethod
    def store_name(cls) -> str:
        return f"fakeredis {version('fakeredis')}"
