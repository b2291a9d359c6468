"""The redis-py driver goes with the reference through random sequences of verbs, on a server and on fakeredis."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from uuid import uuid4

import fakeredis
import pytest

from flowli_conformance.model import DriverModelSuite
from flowli_redis import RedisDriver
from tests.support.servers import ValkeyServer

pytestmark = [pytest.mark.slow, pytest.mark.timeout(14_400)]


class TestRedisPyModel(DriverModelSuite):
    @pytest.fixture
    def make_store(self, valkey_server: ValkeyServer) -> Callable[[], Callable[[], RedisDriver]]:
        def make() -> Callable[[], RedisDriver]:
            prefix = uuid4().hex
            return lambda: RedisDriver(valkey_server.url, prefix=prefix)

        return make

    @pytest.fixture(scope="session")
    @classmethod
    def store_name(cls, valkey_server: ValkeyServer) -> str:
        return f"{valkey_server.product}, standalone"


class TestFakeRedisModel(DriverModelSuite):
    @pytest.fixture
    def make_store(self) -> Callable[[], Callable[[], RedisDriver]]:
        def make() -> Callable[[], RedisDriver]:
            server = fakeredis.FakeServer()
            return lambda: RedisDriver(fakeredis.FakeAsyncRedis(server=server), prefix="model")

        return make

    @pytest.fixture(scope="session")
    @classmethod
    def store_name(cls) -> str:
        return f"fakeredis {version('fakeredis')}"
